import { TidemarkError } from "../core/errors.ts";
import { Access, type AccessOptions } from "../http/access.ts";
import type { Address } from "./server.ts";

/** Where a service can be reached, and by whom. */
export interface Exposure extends Pick<AccessOptions, "token" | "origins"> {
  /** Where to answer HTTP. Undefined: nowhere. Without a token only on the loopback address. */
  readonly listen: Address | undefined;
  /** Where other instances reach this one, as a URL. Default: where it listens. */
  readonly advertise?: string;
  /** Answer everybody who can reach it, on any address, without a token. Default false. */
  readonly insecure?: boolean;
}

/**
 * What the handler is closed with. On the loopback address without a token it answers only to names of this machine, so that
 * no page of another site can ask it under a name of its own.
 * @throws TIDEMARK_OPTION_INVALID, also when it would answer anybody on an address that others can reach
 */
export function accessOf({ listen, advertise, token, origins, insecure = false }: Exposure): AccessOptions {
  const isHere = listen === undefined || isLoopback(listen.hostname);
  if (!isHere && token === undefined && !insecure) {
    throw new TidemarkError(
      "TIDEMARK_OPTION_INVALID",
      `Cannot listen on ${listen.hostname} without a token: everybody who reaches it could read and write; give a token, or ` +
        "say insecure (tidemark run: --token-file, TIDEMARK_TOKEN, --insecure)",
    );
  }
  const names = advertise !== undefined && URL.canParse(advertise) ? [new URL(advertise).hostname] : [];
  const access = {
    ...(token !== undefined && { token }),
    ...(origins && { origins }),
    ...(isHere && token === undefined && !insecure && { hosts: names }),
  };
  new Access(access); // what it refuses is told before anything is opened
  return access;
}

function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "::1" || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}
