/**
 * Exactly-once batches to an outside system: payments go into an SQLite database, fifty at a time. A sink hands over each
 * record at least once, and always under the same id; the database keeps the first of an id. So each payment is in it once,
 * whatever is killed when. Where the database lies, PAYMENTS_DB says.
 */
import process from "node:process";
import { DatabaseSync } from "node:sqlite";
import { app, sink, topic } from "tidemark";
import { number, object, string } from "valibot";

export const payments = topic("payments", { schema: object({ customer: string(), cents: number() }) });

let open: DatabaseSync | undefined;

/** Opened with the first batch, as a definition by itself does nothing. */
function database(): DatabaseSync {
  if (open) return open;
  open = new DatabaseSync(process.env["PAYMENTS_DB"] ?? "payments.db");
  open.exec("PRAGMA busy_timeout = 5000"); // another instance may be writing
  open.exec("CREATE TABLE IF NOT EXISTS payments (id TEXT PRIMARY KEY, customer TEXT, cents INTEGER) WITHOUT ROWID");
  return open;
}

export const toDatabase = sink("payments-to-database", payments, {
  batch: { max: 50, within: { milliseconds: 200 } },
  write(batch) {
    const db = database();
    const insert = db.prepare("INSERT INTO payments VALUES (?, ?, ?) ON CONFLICT (id) DO NOTHING");
    db.exec("BEGIN IMMEDIATE");
    try {
      for (const { id, value } of batch) insert.run(id, value.customer, value.cents);
      db.exec("COMMIT");
    } catch (error) {
      db.exec("ROLLBACK");
      throw error;
    }
  },
});

export default app("to-database", [toDatabase]);
