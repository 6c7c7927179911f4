import type { Finding } from "./cause.ts";
import { dateOf, lengthOf, standOf } from "./words.ts";

/** A finding in plain words: what is so, and what to do about it. */
export function sentenceOf(finding: Finding): string {
  return SENTENCES[finding.cause](finding);
}

const SENTENCES: { readonly [cause in Finding["cause"]]: (finding: Finding) => string } = {
  failing: (one) =>
    `${taskOf(one)} has failed ${timesOf(one.times)}${
      one.code ? `, last with ${one.code}` : ""
    }, and begins again from its ` +
    "checkpoint each time: the notices of its instance say why.",
  dead: (one) => {
    if (one.instance === undefined) {
      return `No instance that can be asked has task ${one.task}: start one, or wait until the group has given the task away.`;
    }
    const found = one.reason === undefined
      ? "which does not have it (any more): ask again soon"
      : "which does not answer";
    const advice = one.reason === undefined
      ? ""
      : ` (${one.reason}): look after that instance; when it is gone for good, the group gives the task to another.`;
    return `Task ${one.task} should be at ${one.instance}, ${found}${advice || "."}`;
  },
  unreachable: (one) => `The log does not say where ${placeOf(one)} ends: look after its brokers.`,
  stalled: (one) => {
    if (one.phase === undefined) {
      return `${taskOf(one)} has come further than ${
        placeOf(one)
      } knows, and does not tell: its commits do not get through.`;
    }
    return `${taskOf(one)} has been ${one.phase} for ${lengthOf(one.phaseMs ?? 0)}: ${STUCK[one.phase]}.`;
  },
  restoring: (one) => {
    const left = one.remainingMs === undefined ? "" : `, about ${lengthOf(one.remainingMs)} are left`;
    const far = one.percent === undefined ? "" : `: ${one.percent} % is done${left}`;
    return `${taskOf(one)} is being taken over and restores its store${far}. It goes on after that.`;
  },
  hanging: (one) =>
    `${taskOf(one)} has waited ${lengthOf(one.callMs ?? 0)} for a write of ${recordsOf(one)} of ${
      placeOf(one)
    } to end, ` +
    `${attemptOf(one)}${
      one.reason === undefined ? "" : ` (the last one failed: ${one.reason})`
    }: what it writes to does ` +
    "not answer. It is given up at the sink's timeout, and tried again.",
  retrying: (one) =>
    `${taskOf(one)} has tried to write ${recordsOf(one)} of ${placeOf(one)} for ${lengthOf(one.sinceMs ?? 0)}, ` +
    `${attemptOf(one)}; the last one failed: ${one.reason}. What fails to the end becomes a dead letter.`,
  overdue: (one) =>
    `${taskOf(one)} has come to ${standOf(one.watermark)}, and is still doing what was due from ${
      standOf(one.due)
    } on.`,
  paused: (one) =>
    `${placeOf(one)} is not read on: so much of it waits for ${
      othersOf(one)
    } that its buffer is full. It goes on when ` +
    "records come from there.",
  awaited: (one) =>
    `The log holds ${one.lag} more offsets of ${placeOf(one)}, and none has arrived for ${
      lengthOf(one.silentMs ?? 0)
    }; ` +
    `${othersOf(one)} waits for them: look after the broker that leads this partition.`,
  waiting: (one) => `${placeOf(one)} has records that wait for ${othersOf(one)}, which did not arrive yet.`,
  future: (one) => {
    const which = one.record
      ? `The record at offset ${one.record.offset} of ${placeOf(one)}, of ${dateOf(one.record.time)},`
      : `A record of ${placeOf(one)}`;
    return `${which} has moved event time to ${standOf(one.watermark)}, which is ${
      lengthOf(one.aheadMs ?? 0)
    } ahead of the ` +
      "clock. It stands there until later records come, and earlier ones of this partition are late: correct what wrote it.";
  },
  silent: (one) =>
    `${placeOf(one)} has had no record for ${lengthOf(one.silentMs ?? 0)} and stands at ${standOf(one.watermark)}` +
    idlingOf(one),
  old: (one) =>
    `Records of ${placeOf(one)} come, the last one ${lengthOf(one.silentMs ?? 0)} ago, but none is later than ` +
    `${one.record ? `the one at offset ${one.record.offset}, of ${dateOf(one.record.time)}` : standOf(one.watermark)}.`,
  empty: (one) => `${placeOf(one)} has given no record with a time yet${idlingOf(one)}`,
  slow: (one) => {
    const { lag = 0, perSecond = 0 } = one;
    const left = perSecond === 0
      ? "gets no further"
      : `does ${perSecond} a second: about ${lengthOf(lag / perSecond * 1_000)} are left`;
    return `${taskOf(one)} is ${lag} offsets behind on ${placeOf(one)}, stands at ${
      standOf(one.watermark)
    } and ${left}.`;
  },
  idle: (one) =>
    one.watermark === undefined
      ? `Task ${one.task} has written all there is.`
      : `All that task ${one.task} reads is idle: it stands at ${standOf(one.watermark)} until records come.`,
  ended: (one) => `The sources of task ${one.task} have ended.`,
  moving: (one) =>
    one.topic === undefined
      ? `Nothing is wrong with task ${one.task}.`
      : `Event time goes on as records of ${placeOf(one)} come; it stands at ${standOf(one.watermark)}.`,
};

const STUCK = {
  reading: "the log does not answer",
  working: "its store does not answer, or a machine takes that long",
  committing: "the log or its store does not answer",
} as const;

function taskOf({ task, instance }: Finding): string {
  return `Task ${whereabouts(task, instance)}`;
}

function whereabouts(task: string, instance: string | undefined): string {
  return instance === undefined ? task : `${task} at ${instance}`;
}

function recordsOf({ records = 1 }: Finding): string {
  return records === 1 ? "1 record" : `${records} records`;
}

function attemptOf({ attempt = 1, attempts = 1 }: Finding): string {
  return `attempt ${attempt} of ${attempts}`;
}

function placeOf({ topic, partition }: Finding): string {
  return `${topic}/${partition}`;
}

function othersOf({ others = [] }: Finding): string {
  return others.map(({ topic, partition }) => `${topic}/${partition}`).join(" and ");
}

function timesOf(times = 1): string {
  return times === 1 ? "once" : `${times} times in a row`;
}

function idlingOf({ idleAfterMs, idleInMs = 0 }: Finding): string {
  if (idleAfterMs !== undefined) {
    return `; it is idle after ${lengthOf(idleAfterMs)} of silence, in ${lengthOf(idleInMs)}, and then holds nothing.`;
  }
  return "; its topic has no idleAfter, so it holds event time until a record comes. Send it one, or give the topic " +
    "watermark.idleAfter.";
}

/** Which task a finding lies in, and by which others it reaches the one that was asked about; empty where that goes without saying. */
export function wayOf({ task, topic, instance, via = [] }: Finding, asked: string): string {
  const between = via.filter((one) => one !== asked).map((one) => `through task ${one}`);
  const where = topic === undefined || task === asked ? [] : [`task ${whereabouts(task, instance)}`];
  const way = [...where, ...between.reverse()].join(", ");
  return way === "" ? "" : ` (${way})`;
}
