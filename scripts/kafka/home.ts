/** Where Kafka is: its jars, which Maven fetches once into the user's cache folder, and a Java to run them. */

import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { fetched } from "../fetched.ts";

const VERSION = "4.3.1";
const MAVEN_GOAL = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";
const FETCH_LIMIT_MS = 10 * 60_000;
const OLDEST_JAVA = 17;
const HINT =
  "Install it (Debian: apt-get install default-jdk-headless maven), or set KAFKA_BROKERS to the address of a cluster";

const run = promisify(execFile);

/** A Kafka that can be started. */
export interface KafkaHome {
  /** What `java -cp` takes. */
  readonly classPath: string;
  /** The first records of a cluster, which a new data folder starts with. */
  readonly bootstrap: string;
}

/** Kafka and its command line tools, without Connect; `slf4j-simple` writes what they log to standard error. */
const POM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>tidemark</groupId>
  <artifactId>kafka</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${VERSION}</version>
    </dependency>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>${VERSION}</version>
      <exclusions>
        <exclusion><groupId>org.apache.kafka</groupId><artifactId>connect-runtime</artifactId></exclusion>
      </exclusions>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
`;

/**
 * Kafka and its tools, fetched if it is not there yet: 45 MB, once. Throws an error that says what to install when there is
 * no Java, or no Maven to fetch with.
 */
export async function kafkaHome(): Promise<KafkaHome> {
  await needJava();
  return homeIn(
    await fetched(`kafka-${VERSION}`, `Maven fetches Kafka ${VERSION} (45 MB)`, async (folder) => {
      await fetchJars(folder);
      await format(folder);
    }),
  );
}

function homeIn(folder: string): KafkaHome {
  return { classPath: join(folder, "lib", "*"), bootstrap: join(folder, "data", "bootstrap.checkpoint") };
}

async function needJava(): Promise<void> {
  const needed = `Kafka ${VERSION} needs Java ${OLDEST_JAVA} or newer`;
  let text: string;
  try {
    text = (await run("java", ["-version"])).stderr;
  } catch (cause) {
    throw new Error(`${needed}, and no "java" on the PATH runs. ${HINT}`, { cause });
  }
  const version = /version "([^"]+)"/.exec(text)?.[1] ?? text;
  if (!(parseInt(version) >= OLDEST_JAVA)) {
    throw new Error(`${needed}, and the "java" on the PATH is ${version}. ${HINT}`);
  }
}

async function fetchJars(folder: string): Promise<void> {
  const pom = join(folder, "pom.xml");
  await writeFile(pom, POM);
  const options = [`-DoutputDirectory=${join(folder, "lib")}`, "-DincludeScope=runtime"];
  try {
    await run("mvn", ["-q", "-B", "-f", pom, MAVEN_GOAL, ...options], { timeout: FETCH_LIMIT_MS });
  } catch (cause) {
    const { code, stdout } = cause as { code?: unknown; stdout?: string };
    throw new Error(
      code === "ENOENT"
        ? `Kafka ${VERSION} is fetched with Maven, and there is no "mvn" on the PATH. ${HINT}`
        : `Maven could not fetch Kafka ${VERSION}: ${stdout?.trim() || (cause as Error).message}`,
      { cause },
    );
  }
}

/** Lets Kafka format a data folder once: what it writes is the same for every cluster of one node. */
async function format(folder: string): Promise<void> {
  const config = join(folder, "format.properties");
  const properties = [
    "process.roles=broker,controller",
    "node.id=1",
    "controller.quorum.voters=1@127.0.0.1:9093",
    "listeners=PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093",
    "controller.listener.names=CONTROLLER",
    `log.dirs=${join(folder, "data").replaceAll("\\", "/")}`,
  ];
  await writeFile(config, properties.join("\n"));
  const { classPath } = homeIn(folder);
  await run("java", ["-cp", classPath, "kafka.tools.StorageTool", "format", "-t", "tidemark", "-c", config], {
    timeout: FETCH_LIMIT_MS,
  });
}
