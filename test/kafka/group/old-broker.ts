/** A server that says of itself what a broker of many years ago said, and answers nothing else. */
import { Buffer } from "node:buffer";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";

const API_VERSIONS = 18;

/** The newest versions of some requests that Kafka 0.10 spoke, by their keys. */
const NEWEST: Readonly<Record<number, number>> = {
  0: 2,
  1: 3,
  2: 1,
  3: 2,
  8: 2,
  9: 1,
  10: 0,
  11: 1,
  12: 0,
  13: 0,
  14: 0,
  18: 0,
};

/** Starts one on this machine. @param answers whether it answers at all */
export async function oldBroker(answers = true): Promise<{ address: string; close(): Promise<void> }> {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    // A request is small enough to come in one piece.
    socket.on("data", (frame: Buffer) => {
      if (!answers) return;
      if (frame.readInt16BE(4) !== API_VERSIONS) return void socket.destroy();
      socket.write(answerTo(frame));
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const close = async () => {
    const closed = once(server, "close");
    server.close();
    await closed;
  };
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, close };
}

/** Error code, then key, oldest and newest version of each request; in later versions how long to wait, too. */
function answerTo(frame: Buffer): Buffer {
  const entries = Object.entries(NEWEST);
  const version = frame.readInt16BE(6);
  const answer = Buffer.alloc(4 + 4 + 2 + 4 + entries.length * 6 + (version > 0 ? 4 : 0));
  answer.writeInt32BE(answer.length - 4, 0);
  answer.writeInt32BE(frame.readInt32BE(8), 4);
  answer.writeInt32BE(entries.length, 10);
  for (const [index, [key, newest]] of entries.entries()) {
    answer.writeInt16BE(Number(key), 14 + index * 6);
    answer.writeInt16BE(newest, 18 + index * 6);
  }
  return answer;
}
