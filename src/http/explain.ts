import { TidemarkError } from "../core/errors.ts";
import type { OwnReport } from "../runtime/explain/explainer.ts";
import { answer, json } from "./answer.ts";
import { askAll, isPassedOn } from "./elsewhere.ts";
import type { Call } from "./route.ts";

/**
 * Why event time stands where it stands: in words for whoever accepts text/plain and no JSON. Other instances are asked for what
 * they have; what they answer is facts, from which only the instance that was asked first concludes anything.
 */
export async function explainJson(call: Call): Promise<Response> {
  const { runtime, request, query } = call;
  const [actor, key] = [query.text("actor"), query.text("key")];
  const question = { ...(actor !== undefined && { actor }), ...(key !== undefined && { key }) };
  if (isPassedOn(call)) return json(await runtime.report(question));
  const explanation = await runtime.explain(question, (addresses) => askAll(call, addresses, reportIn));
  if (!prefersText(request.headers.get("accept") ?? "")) return json(explanation);
  return answer(explanation.sentences.map((line) => `${line}\n`).join(""), "text/plain; charset=utf-8");
}

/** What another instance answered, if it is what one of the same version answers. */
function reportIn(body: unknown): OwnReport {
  const { now, tasks, sinks } = body as Partial<OwnReport>;
  if (typeof now === "number" && Array.isArray(tasks) && Array.isArray(sinks)) return body as OwnReport;
  throw new TidemarkError("TIDEMARK_NOT_READY", "Cannot understand what it answers: it is another service or version");
}

function prefersText(accept: string): boolean {
  return /\btext\/plain\b/i.test(accept) && !/\bjson\b/i.test(accept);
}
