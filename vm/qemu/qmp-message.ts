/**
 * What QEMU says on a QMP channel: one line parsed to one typed message.
 * Source: QEMU docs/interop/qmp-spec, "Server Greeting", "Commands Responses", "Asynchronous events".
 * Not here: the conversation (qmp-session.ts).
 */
import { VmError } from "../vm-error.js";

export type QmpMessage =
  | { readonly kind: "greeting"; readonly qemuVersion: string }
  | { readonly kind: "return"; readonly id: unknown; readonly value: unknown }
  /** An error found before the command's id was read has none. */
  | { readonly kind: "error"; readonly id: unknown; readonly class: string; readonly desc: string }
  | QmpEvent;

export interface QmpEvent {
  readonly kind: "event";
  /** E.g. "SHUTDOWN". */
  readonly name: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** @throws VmError QMP_MALFORMED with the offending text */
export function parseQmpMessage(line: string): QmpMessage {
  const message = record(parseJson(line));
  if (message !== undefined) {
    const qmp = record(message["QMP"]);
    const qemu = record(record(qmp?.["version"])?.["qemu"]);
    if (qemu !== undefined) {
      return { kind: "greeting", qemuVersion: `${qemu["major"]}.${qemu["minor"]}.${qemu["micro"]}` };
    }
    if (typeof message["event"] === "string") {
      return { kind: "event", name: message["event"], data: record(message["data"]) ?? {} };
    }
    const error = record(message["error"]);
    if (error !== undefined) {
      return { kind: "error", id: message["id"], class: String(error["class"]), desc: String(error["desc"]) };
    }
    if ("return" in message) return { kind: "return", id: message["id"], value: message["return"] };
  }
  throw new VmError("QMP_MALFORMED", `QEMU said something that is not QMP: ${JSON.stringify(line.slice(0, 200))}`);
}

/** A character device as `query-chardev` tells of it. */
export interface QmpChardev {
  readonly label: string;
  /** Kind and place, e.g. "pty:/dev/pts/5". */
  readonly filename: string;
}

/** Parses the answer to `query-chardev`. @throws VmError QMP_MALFORMED */
export function parseChardevs(answer: unknown): readonly QmpChardev[] {
  const chardevs = Array.isArray(answer) ? answer.map(record) : [undefined];
  return chardevs.map((chardev) => {
    const { label, filename } = chardev ?? {};
    if (typeof label === "string" && typeof filename === "string") return { label, filename };
    throw new VmError("QMP_MALFORMED", `query-chardev was answered with ${JSON.stringify(answer)}`);
  });
}

/** How far a migration is, as `query-migrate` tells. */
export interface QmpMigration {
  /** E.g. "active", "completed", "failed"; undefined where none was begun. */
  readonly status: string | undefined;
  /** Why it failed, in QEMU's words. */
  readonly error: string | undefined;
}

/** Parses the answer to `query-migrate`. */
export function parseMigration(answer: unknown): QmpMigration {
  const { status, "error-desc": error } = record(answer) ?? {};
  return {
    status: typeof status === "string" ? status : undefined,
    error: typeof error === "string" ? error : undefined,
  };
}

/** The run state in the answer to `query-status`, e.g. "running"; undefined in any other answer. */
export function parseRunState(answer: unknown): string | undefined {
  const status = record(answer)?.["status"];
  return typeof status === "string" ? status : undefined;
}

/** A block node as `query-named-block-nodes` tells of it. */
export interface QmpBlockNode {
  readonly name: string;
  /** In bytes. */
  readonly virtualSize: number;
}

/** Parses the answer to `query-named-block-nodes`. @throws VmError QMP_MALFORMED */
export function parseBlockNodes(answer: unknown): readonly QmpBlockNode[] {
  const nodes = Array.isArray(answer) ? answer.map(record) : [undefined];
  return nodes.map((node) => {
    const name = node?.["node-name"];
    const virtualSize = record(node?.["image"])?.["virtual-size"];
    if (typeof name === "string" && typeof virtualSize === "number") return { name, virtualSize };
    throw new VmError("QMP_MALFORMED", `query-named-block-nodes was answered with ${JSON.stringify(answer)}`);
  });
}

/** A job as `query-jobs` tells of it. */
export interface QmpJob {
  readonly id: string;
  /** "concluded" when it is over, well or not. */
  readonly status: string;
  /** Why it failed, in QEMU's words. */
  readonly error: string | undefined;
}

/** Parses the answer to `query-jobs`. @throws VmError QMP_MALFORMED */
export function parseJobs(answer: unknown): readonly QmpJob[] {
  const jobs = Array.isArray(answer) ? answer.map(record) : [undefined];
  return jobs.map((job) => {
    const { id, status, error } = job ?? {};
    if (typeof id === "string" && typeof status === "string") {
      return { id, status, error: typeof error === "string" ? error : undefined };
    }
    throw new VmError("QMP_MALFORMED", `query-jobs was answered with ${JSON.stringify(answer)}`);
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function record(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}
