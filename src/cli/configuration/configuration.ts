import { readFileSync } from "node:fs";
import { reasonOf, TidemarkError } from "../../core/errors.ts";
import { type Call, misuse } from "../command.ts";
import { readConfigFile } from "./file.ts";
import { environmentOf, RUN_OPTIONS, type RunOption, type Value } from "./options.ts";

/** An option with what holds for it, and who said so. */
interface Setting {
  readonly value: Value;
  /** As in "flag --cache", "environment TIDEMARK_CACHE", "file tidemark.json" or "default". */
  readonly origin: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** The options of a run: of each, what the flag says, else the environment, else the file, else the default. */
export class Configuration {
  readonly #settings = new Map<string, Setting>();

  /**
   * @throws TIDEMARK_USAGE for a flag and TIDEMARK_OPTION_INVALID for a variable or a file that cannot be understood
   */
  constructor(call: Call, env: Environment) {
    const file = call.text("config") ?? (env["TIDEMARK_CONFIG"] || undefined);
    const inFile = file === undefined ? new Map<string, Value>() : readConfigFile(file);
    for (const [name, option] of RUN_OPTIONS) {
      // Another program's KAFKA_ variables are nothing to an app that is not on Kafka.
      const isForeign = option.environment !== undefined && !this.isSet("kafka");
      const setting = ofFlag(call, name, option) ?? (isForeign ? undefined : ofEnvironment(env, name, option)) ??
        (inFile.has(name) ? { value: inFile.get(name)!, origin: `file ${file}` } : undefined);
      if (!setting) continue;
      this.#settings.set(name, setting);
      this.#check(name, option, setting);
    }
    for (const name of RUN_OPTIONS.keys()) if (RUN_OPTIONS.has(`${name}-file`)) this.#readFile(name);
  }

  /** The value of an option; its default, or undefined where that depends on others. */
  get(name: string): Value | undefined {
    const setting = this.#settings.get(name);
    if (setting) return setting.value;
    const { otherwise } = RUN_OPTIONS.get(name)!;
    return isValue(otherwise) ? otherwise : undefined;
  }

  text(name: string): string | undefined {
    return this.get(name) as string | undefined;
  }

  texts(name: string): readonly string[] {
    return this.get(name) as readonly string[];
  }

  isOn(name: string): boolean {
    return this.get(name) === true;
  }

  count(name: string): number | undefined {
    return this.get(name) as number | undefined;
  }

  /** Whether anybody has said anything about an option. */
  isSet(name: string): boolean {
    return this.#settings.has(name);
  }

  /** The error for a value that cannot be used, which names who gave it. */
  refusal(name: string, advice: string): TidemarkError {
    const { value, origin } = this.#settings.get(name)!;
    const found = RUN_OPTIONS.get(name)!.isSecret ? "***" : `"${value}"`;
    if (origin.startsWith("flag ")) return misuse(`${origin.slice(5)} is ${found}: ${advice}`);
    const where = origin.startsWith("environment ") ? origin.slice(12) : `"${name}" in ${origin}`;
    return new TidemarkError("TIDEMARK_OPTION_INVALID", `Cannot use the options: ${where} is ${found}: ${advice}`);
  }

  /** Every option with what holds, and who said so; a secret as `***`. */
  lines(): string[] {
    const rows = [...RUN_OPTIONS].map(([name, option]) => {
      const setting = this.#settings.get(name);
      return [name, setting ? valueShown(option, setting.value) : defaultShown(option), setting?.origin ?? "default"];
    });
    const width = (column: number) => Math.max(...rows.map((row) => row[column]!.length));
    const [first, second] = [width(0), Math.min(40, width(1))];
    return rows.map(([name, value, origin]) => `${name!.padEnd(first)}  ${value!.padEnd(second)}  ${origin}`);
  }

  #check(name: string, { kind, least = 0, choices }: RunOption, { value }: Setting): void {
    if (kind === "count" && !(Number.isSafeInteger(value) && Number(value) >= least)) {
      throw this.refusal(name, `give a whole number from ${least}`);
    }
    if (kind === "switch" && typeof value !== "boolean") throw this.refusal(name, "give true or false");
    if (choices && !choices.includes(String(value))) throw this.refusal(name, `give ${choices.join(" or ")}`);
  }

  /** Takes an option's value from the file that its twin names. */
  #readFile(name: string): void {
    const twin = this.#settings.get(`${name}-file`);
    if (!twin) return;
    const own = this.#settings.get(name);
    if (own) throw this.refusal(`${name}-file`, `${own.origin} says the same: give one of them`);
    const path = String(twin.value);
    try {
      const value = readFileSync(path, "utf8").trimEnd();
      if (value !== "") return void this.#settings.set(name, { value, origin: `file ${path}` });
    } catch (error) {
      throw this.refusal(`${name}-file`, reasonOf(error));
    }
    throw this.refusal(`${name}-file`, "the file is empty");
  }
}

function ofFlag(call: Call, name: string, { kind, isWithoutFlag }: RunOption): Setting | undefined {
  if (isWithoutFlag) return undefined;
  const origin = `flag --${name}`;
  if (kind === "list") {
    const value = call.texts(name);
    return value.length > 0 ? { value, origin } : undefined;
  }
  if (kind === "switch") {
    const value = call.choice(name);
    return value === undefined ? undefined : { value, origin };
  }
  const text = call.text(name);
  return text === undefined ? undefined : { value: kind === "count" ? number(text) : text, origin };
}

/** A variable that is empty says nothing: that is how many a tool passes on what is not set. */
function ofEnvironment(env: Environment, name: string, { kind }: RunOption): Setting | undefined {
  const variable = environmentOf(name);
  const text = env[variable];
  if (text === undefined || text === "") return undefined;
  const origin = `environment ${variable}`;
  if (kind === "list") return { value: text.split(",").map((one) => one.trim()).filter(Boolean), origin };
  if (kind === "switch") return { value: text === "true" ? true : text === "false" ? false : text, origin };
  return { value: kind === "count" ? number(text) : text, origin };
}

/** A whole number; anything else stays the text it is, to be refused with it. */
function number(text: string): Value {
  return /^-?\d+$/.test(text) ? Number(text) : text;
}

function isValue(otherwise: RunOption["otherwise"]): otherwise is Value {
  return otherwise !== undefined && (typeof otherwise !== "object" || Array.isArray(otherwise));
}

function valueShown({ isSecret }: RunOption, value: Value): string {
  return isSecret ? "***" : JSON.stringify(value);
}

/** The default of an option, for people. */
export function defaultShown({ otherwise }: RunOption): string {
  if (isValue(otherwise)) return Array.isArray(otherwise) ? "none" : String(otherwise);
  return otherwise?.depends ?? "none";
}
