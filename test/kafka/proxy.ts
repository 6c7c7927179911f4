/** A proxy in front of a Kafka broker that makes the faults a network, a broker or a crash can make, at chosen requests. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { Connection, type Host } from "./proxy/connection.ts";
import type { Fault } from "./proxy/fault.ts";
import type { Api, Request } from "./proxy/request.ts";
import { Chaos, type ChaosOptions, type Due, type Giver, type Match, Rule } from "./proxy/rule.ts";

export {
  answerAlthoughDone,
  answerInstead,
  cut,
  delay,
  delayAnswer,
  dropAfter,
  dropBefore,
  type Fault,
  withhold,
} from "./proxy/fault.ts";

/** Where a proxy listens, and what it stands in front of. */
export interface ProxyOptions {
  /** The broker, `host:port`; may be set later. Until then clients are closed as soon as they connect. */
  readonly target?: string;
  /** Default: a free one. */
  readonly port?: number;
}

/** Starts a proxy on 127.0.0.1. The broker need not listen yet. */
export async function startProxy({ target, port = 0 }: ProxyOptions = {}): Promise<FaultProxy> {
  const proxy = new FaultProxy(target);
  await proxy.accept(port);
  return proxy;
}

/**
 * Stands between clients and one broker, which advertises the proxy's address. Made by `startProxy`. A broker also calls
 * itself by what it advertises (WriteTxnMarkers, and AddPartitionsToTxn to verify a Produce): give it a listener of its
 * own for that, `inter.broker.listener.name`, or these requests are counted and hit as well.
 */
export class FaultProxy {
  /** The broker, `host:port`, for connections from now on. */
  target: string | undefined;
  #port = 0;
  #server: Server | undefined;
  #stall: PromiseWithResolvers<void> | undefined;
  #failure: unknown;
  readonly #closing = new AbortController();
  readonly #connections = new Set<Connection>();
  readonly #counts = new Map<Api, number>();
  #givers: Giver[] = [];
  readonly #host: Host;

  constructor(target: string | undefined) {
    this.target = target;
    const stall = () => this.#stall?.promise;
    this.#host = {
      closing: this.#closing.signal,
      get stall() {
        return stall();
      },
      meet: (request) => this.#meet(request),
      fail: (error) => this.#failure ??= error,
    };
  }

  /** The port that clients connect to. */
  get port(): number {
    return this.#port;
  }

  /** Where clients connect to, `127.0.0.1:port`. */
  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  /** How many connections of clients are open. */
  get connections(): number {
    return this.#connections.size;
  }

  /** How many such requests have come, whatever became of them. */
  count(api: Api): number {
    return this.#counts.get(api) ?? 0;
  }

  /** Makes a fault happen to certain requests. If several rules are due at once, the oldest hits, and the next waits. */
  on(match: Match, fault: Fault): Rule {
    const rule = new Rule(match, fault);
    this.#givers.push(rule);
    return rule;
  }

  /** Makes random faults happen, except to requests that a rule or an older chaos hits. */
  chaos(options: ChaosOptions): Chaos {
    const chaos = new Chaos(options);
    this.#givers = this.#givers.filter((giver) => !(giver instanceof Chaos && giver.isOver));
    this.#givers.push(chaos);
    return chaos;
  }

  /** Closes all connections and refuses new ones, as if the broker were dead. */
  async refuse(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    for (const connection of this.#connections) connection.destroy();
    if (server !== undefined) await new Promise((resolve) => server.close(resolve));
  }

  /** Takes new connections again, on the same port. */
  async accept(port: number = this.#port): Promise<void> {
    if (this.#server !== undefined) return;
    this.#server = createServer((client) => this.#connect(client)).listen(port, "127.0.0.1");
    await once(this.#server, "listening");
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  /** Lets no byte through either way, on old and new connections. Nothing is lost. */
  stall(): void {
    this.#stall ??= Promise.withResolvers();
  }

  /** Ends a stall. */
  resume(): void {
    this.#stall?.resolve();
    this.#stall = undefined;
  }

  /** Closes everything. Throws, once, what went wrong in the proxy itself, such as a request whose error answer is not known. */
  async close(): Promise<void> {
    const connections = [...this.#connections];
    this.#closing.abort();
    await this.refuse();
    this.resume();
    await Promise.all(connections.map((connection) => connection.done));
    for (const giver of this.#givers) if (giver instanceof Rule) giver.end();
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure;
  }

  #connect(client: Socket): void {
    if (this.#server === undefined || this.target === undefined) return void client.destroy();
    const [host, port] = this.target.split(":");
    const connection = new Connection(client, connect({ host: host!, port: Number(port) }), this.#host);
    this.#connections.add(connection);
    connection.done.finally(() => this.#connections.delete(connection));
  }

  #meet(request: Request): Due | undefined {
    const { api } = request;
    if (api !== undefined) this.#counts.set(api, this.count(api) + 1);
    for (const giver of this.#givers) giver.see(request);
    for (const giver of this.#givers) {
      const due = giver.give(request);
      if (due !== undefined) return due;
    }
    return undefined;
  }
}
