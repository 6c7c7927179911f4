import type { Call, Option } from "../command.ts";
import { misuse } from "../command.ts";
import { warn } from "../output.ts";
import { TOKEN_OPTION, tokenOf } from "../token.ts";
import { Client, DEFAULT_URL } from "./client.ts";
import { DEFAULT_FOLDER, findFolder } from "./data-folder.ts";
import { openFolder } from "./folder.ts";
import { ServiceSource } from "./service.ts";
import type { Source } from "./source.ts";

/** The options that say where to read from. */
export const SOURCE_OPTIONS: Readonly<Record<string, Option>> = {
  ...TOKEN_OPTION,
  url: { value: "URL", help: `of a running service, default ${DEFAULT_URL}` },
  data: { value: "DIR", help: `a data folder that no process uses; default ${DEFAULT_FOLDER} when no service answers` },
};

/** Reads from what the options name. @throws TIDEMARK_USAGE, TIDEMARK_SERVICE_UNREACHABLE, TIDEMARK_STORE_IO */
export async function withSource(call: Call, use: (source: Source) => Promise<void>): Promise<void> {
  const source = await openSource(call);
  try {
    await use(source);
  } finally {
    await source.close();
  }
}

async function openSource(call: Call): Promise<Source> {
  const url = call.text("url");
  const data = call.text("data");
  if (url !== undefined && data !== undefined) throw misuse("--url and --data cannot go together");
  const client = new Client(url ?? DEFAULT_URL, await tokenOf(call));
  if (url !== undefined) return new ServiceSource(client);
  if (data === undefined && await client.isThere()) return new ServiceSource(client);
  const folder = await findFolder(data);
  if (folder !== undefined) {
    return await openFolder(folder, {
      appFile: call.text("app"),
      onNotice: ({ message }) => warn(message),
    });
  }
  // Nothing is there: say so as the service's absence.
  return new ServiceSource(client);
}
