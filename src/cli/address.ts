import type { Address } from "../service/server.ts";

/** Reads `HOST:PORT`, `[IPV6]:PORT` or `PORT`, which means 127.0.0.1. Undefined when it is none of them. */
export function addressOf(text: string): Address | undefined {
  const [, host, port] = /^(?:(\[[0-9a-fA-F:.]+\]|[^:[\]/\s]+):)?(\d{1,5})$/.exec(text) ?? [];
  if (port === undefined || Number(port) > 65_535) return undefined;
  return { hostname: host?.replace(/^\[|\]$/g, "") ?? "127.0.0.1", port: Number(port) };
}
