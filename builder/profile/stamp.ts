/** Release stamps: YYYYMMDDTHHMMSSZ, UTC; each names one build and its outputs. */
import { UsageError } from "../../base/livelab-error.js";

/** 2026-11-23 01:02:03 UTC → "20261123T010203Z". */
export function stampOf(time: Date): string {
  return `${time.toISOString().slice(0, 19).replace(/[-:]/g, "")}Z`;
}

/** Checks a stamp given by a person. @throws UsageError BAD_STAMP */
export function parseStamp(text: string): string {
  const [, year, month, day, hour, minute, second] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text) ?? [];
  const time = new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  // A day that no month has comes back as another one: the round trip tells.
  if (Number.isNaN(time.getTime()) || stampOf(time) !== text) {
    throw new UsageError("BAD_STAMP", `"${text}" is not a release stamp`, {
      hint: "a stamp is YYYYMMDDTHHMMSSZ in UTC, e.g. 20261123T010203Z; `livelab releases` lists those of this host",
    });
  }
  return text;
}
