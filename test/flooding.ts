/**
 * What the tests run as a process of its own: `flooding.ts URL COUNT` opens so many connections, each bad in its way, and holds
 * those it can. Tells in lines how many are open; ends with its standard input.
 */
import { connect } from "node:net";
import process from "node:process";

const [url = "", count = ""] = process.argv.slice(2);
const { hostname, port } = new URL(url);
const wanted = Number(count);

/** What each connection sends before it falls silent. */
const BEGINNINGS = [
  "",
  "GET / HTTP/1.1\r\nhost: localhost\r\nx",
  "GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n",
  "POST /topics/views HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 1000000\r\n\r\n[",
  `GET / HTTP/1.1\r\nhost: localhost\r\nx: ${"x".repeat(30_000)}`,
];
/** Connections that are being opened at the same time: more than the backlog would wait for a second try of TCP. */
const AT_ONCE = 200;

let begun = 0;
let settled = 0;
let failed = 0;
let closed = 0;

function dial(): void {
  const number = begun++;
  const socket = connect(Number(port), hostname);
  let isSettled = false;
  const settle = (): void => {
    if (isSettled) return;
    isSettled = true;
    settled++;
    if (settled === wanted) console.log(`open ${settled - failed - closed} failed ${failed}`);
    else if (begun < wanted) dial();
  };
  socket.on("connect", () => {
    socket.write(BEGINNINGS[number % BEGINNINGS.length]!);
    settle();
  });
  socket.on("error", (error: Error & { code?: string }) => {
    if (error.code === "EMFILE" || error.code === "ECONNREFUSED") failed++;
    settle();
  });
  socket.on("close", () => closed++);
  socket.resume();
}

for (let i = 0; i < Math.min(AT_ONCE, wanted); i++) dial();
process.stdin.on("end", () => process.exit()).resume();
