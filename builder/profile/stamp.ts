/** Release stamps: YYYYMMDDTHHMMSSZ, UTC; each names one build and its outputs. */
import { UsageError } from "../../base/livelab-error.js";

/** 2026-11-23 01:02:03 UTC → "20261123T010203Z". */
export function stampOf(time: Date): string {
  return `${time.toISOString().slice(0, 19).replace(/[-:]/g, "")}Z`;
}

/** Validates a stamp from the user. @throws UsageError BAD_STAMP */
export function parseStamp(text: string): string {
  const [, year, month, day, hour, minute, second] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text) ?? [];
  const time = new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  // Date turns an invalid day, such as February 30, into another day; the round trip detects that.
  if (Number.isNaN(time.getTime()) || stampOf(time) !== text) {
    throw new UsageError("BAD_STAMP", `"${text}" is not a release stamp`, {
      hint: "a stamp is YYYYMMDDTHHMMSSZ in UTC, e.g. 20261123T010203Z; `livelab releases` lists those of this host",
    });
  }
  return text;
}
