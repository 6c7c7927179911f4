/** A broker of its own behind a fault proxy. */
import { type KafkaBroker, startKafka } from "../../scripts/kafka/broker.ts";
import { type FaultProxy, startProxy } from "./proxy.ts";

/** A broker that sends its clients to a proxy. */
export interface BehindProxy {
  readonly proxy: FaultProxy;
  /** Where no proxy stands in between, `host:port`. */
  readonly direct: string;
  /** Closes both. Throws what went wrong in the proxy itself. */
  close(): Promise<void>;
}

/** Starts both. @param properties of the broker, beside its own */
export async function kafkaBehindProxy(
  properties: Readonly<Record<string, string | number | boolean>> = {},
): Promise<BehindProxy> {
  const proxy = await startProxy();
  let broker: KafkaBroker;
  try {
    broker = await startKafka({ advertised: proxy.address, properties });
  } catch (error) {
    await proxy.close();
    throw error;
  }
  proxy.target = broker.brokers;
  const close = async () => {
    try {
      await proxy.close();
    } finally {
      await broker.dispose();
    }
  };
  return { proxy, direct: broker.directBrokers, close };
}

/** Fails with a title when something takes longer than so many ms. */
export async function within<T>(ms: number, title: string, run: () => Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${title}: it still runs after ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([run(), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Runs at most so many at a time, in the order they are given. */
export function gate(most: number): <T>(run: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (run) => {
    if (running === most) await new Promise<void>((resolve) => waiting.push(resolve));
    else running++;
    try {
      return await run();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else running--;
    }
  };
}
