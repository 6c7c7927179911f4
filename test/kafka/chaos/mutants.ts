/** Tidemark with one safeguard taken out, as a log and stores that do not do what they are told. A judge must notice. */
import type { NewRecord } from "../../../src/core/record.ts";
import type { Log, Producer, Transaction } from "../../../src/log/log.ts";
import type { Store, Stores } from "../../../src/store/store.ts";

/** What is taken out. */
export type Mutant = keyof typeof MUTANTS;

interface Parts {
  readonly log: Log;
  readonly stores: Stores;
}

const CHECKPOINT = "~checkpoint";

const MUTANTS = {
  /** The store has a step's changes before the log has them. */
  "store before commit": ({ log, stores }: Parts): Parts => {
    const open = new Map<string, Store>();
    return {
      stores: {
        ...stores,
        open: async (name) => {
          const store = await stores.open(name);
          open.set(name, store);
          return store;
        },
      },
      log: withTransactions(log, (transaction, id) => {
        const changes: NewRecord[] = [];
        return over(transaction, {
          send: async (topic, partition, records) => {
            if (topic.endsWith(".changelog")) changes.push(...records.filter(isChange));
            await transaction.send(topic, partition, records);
          },
          commit: async () => {
            const store = [...open].find(([name]) => id.endsWith(`.${name}`))?.[1];
            await store?.write(changes.map(({ key, value }) => [key as string, value as string | null]));
            return await transaction.commit();
          },
        });
      }),
    };
  },

  /** A new owner of a task does not stop the old one. */
  "no fence": ({ log, stores }: Parts): Parts => ({
    stores,
    log: over(log, { producer: (id) => log.producer(`${id}.${crypto.randomUUID()}`) }),
  }),

  /** The changelog does not say how far the input was read when its state was made. */
  "no checkpoint": ({ log, stores }: Parts): Parts => ({
    stores,
    log: withTransactions(log, (transaction) =>
      over(transaction, {
        send: (topic, partition, records) => {
          const rest = records.some(isChange) ? records.filter((one) => one.key !== CHECKPOINT) : records;
          return transaction.send(topic, partition, rest);
        },
      })),
  }),

  /** How far the input was read is written when the results of that are committed, and not with them. */
  "offsets outside": ({ log, stores }: Parts): Parts => ({
    stores,
    log: withTransactions(log, (transaction) => {
      const later: { topic: string; partition: number; records: readonly NewRecord[] }[] = [];
      return over(transaction, {
        send: async (topic, partition, records) => {
          if (topic.endsWith(".changelog")) later.push({ topic, partition, records });
          else await transaction.send(topic, partition, records);
        },
        commit: async () => {
          const acks = await transaction.commit();
          for (const { topic, partition, records } of later) acks.push(await log.append(topic, partition, records));
          return acks;
        },
      });
    }),
  }),
};

/** Takes a safeguard out of a log and stores. */
export function mutate(name: Mutant, parts: Parts): Parts {
  return MUTANTS[name](parts);
}

function isChange({ key }: NewRecord): boolean {
  return typeof key === "string" && !key.startsWith("~");
}

function withTransactions(log: Log, wrap: (transaction: Transaction, id: string) => Transaction): Log {
  return over(log, {
    producer: async (id) => {
      const producer = await log.producer(id);
      return over<Producer>(producer, { begin: async () => wrap(await producer.begin(), id) });
    },
  });
}

/** An object with some of its methods replaced. */
function over<T extends object>(object: T, methods: Partial<T>): T {
  return new Proxy(object, {
    get: (target, name) => {
      if (Object.hasOwn(methods, name)) return methods[name as keyof T];
      const member = Reflect.get(target, name);
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
}
