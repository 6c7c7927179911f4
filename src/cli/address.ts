import type { Address } from "../service/server.ts";
import { misuse } from "./command.ts";

/** Reads `HOST:PORT`, `[IPV6]:PORT` or `PORT`, which means 127.0.0.1. @throws TIDEMARK_USAGE */
export function addressOf(text: string): Address {
  const [, host, port] = /^(?:(\[[0-9a-fA-F:.]+\]|[^:[\]/\s]+):)?(\d{1,5})$/.exec(text) ?? [];
  if (port === undefined || Number(port) > 65_535) {
    throw misuse(`--listen is "${text}": give HOST:PORT, such as 127.0.0.1:8080`);
  }
  return { hostname: host?.replace(/^\[|\]$/g, "") ?? "127.0.0.1", port: Number(port) };
}
