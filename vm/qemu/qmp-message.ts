/**
 * Parses the lines that QEMU sends on a QMP channel, each to one typed message.
 * Source: QEMU docs/interop/qmp-spec, "Server Greeting", "Commands Responses", "Asynchronous events".
 */
import { z } from "zod";
import { VmError } from "../vm-error.js";

export type QmpMessage =
  | { readonly kind: "greeting"; readonly qemuVersion: string }
  | { readonly kind: "return"; readonly id: unknown; readonly value: unknown }
  /** The id is undefined if QEMU found the error before it read the command's id. */
  | { readonly kind: "error"; readonly id: unknown; readonly class: string; readonly desc: string }
  | QmpEvent;

export interface QmpEvent {
  readonly kind: "event";
  /** E.g. "SHUTDOWN". */
  readonly name: string;
  readonly data: Readonly<Record<string, unknown>>;
}

const qmpMessage = z.union([
  z
    .object({ QMP: z.object({ version: z.object({ qemu: z.record(z.string(), z.number()) }) }) })
    .transform(({ QMP: { version } }): QmpMessage => {
      const { major, minor, micro } = version.qemu;
      return { kind: "greeting", qemuVersion: `${major}.${minor}.${micro}` };
    }),
  z
    .object({ event: z.string(), data: z.record(z.string(), z.unknown()).catch({}) })
    .transform(({ event: name, data }): QmpMessage => ({ kind: "event", name, data })),
  z
    .object({ error: z.object({ class: z.string(), desc: z.string() }), id: z.unknown().optional() })
    .transform(({ error, id }): QmpMessage => ({ kind: "error", id, ...error })),
  z
    .object({ return: z.unknown(), id: z.unknown().optional() })
    .transform(({ return: value, id }): QmpMessage => ({ kind: "return", id, value })),
]);

/** Parses one line. @throws VmError QMP_MALFORMED with the line */
export function parseQmpMessage(line: string): QmpMessage {
  const message = qmpMessage.safeParse(parseJson(line));
  if (message.success) return message.data;
  throw new VmError("QMP_MALFORMED", `QEMU sent a line that is not QMP: ${JSON.stringify(line.slice(0, 200))}`);
}

/** Makes the parser of a command's answer. The parser throws VmError QMP_MALFORMED if the answer does not match. */
const answerTo =
  <T>(command: string, schema: z.ZodType<T>) =>
  (answer: unknown): T => {
    const parsed = schema.safeParse(answer);
    if (parsed.success) return parsed.data;
    const { path = [], message = "" } = parsed.error.issues[0] ?? {};
    throw new VmError(
      "QMP_MALFORMED",
      `unexpected answer of QEMU to ${command}, ${JSON.stringify(answer)}: ${path.length === 0 ? "" : `${path.join(".")}: `}${message}`,
    );
  };

/** A character device in the answer to `query-chardev`. */
export interface QmpChardev {
  readonly label: string;
  /** Kind and path, e.g. "pty:/dev/pts/5". */
  readonly filename: string;
}

export const parseChardevs = answerTo<readonly QmpChardev[]>(
  "query-chardev",
  z.array(z.object({ label: z.string(), filename: z.string() })),
);

/** The state of a migration in the answer to `query-migrate`. */
export interface QmpMigration {
  /** E.g. "active", "completed", "failed"; undefined before a migration begins. */
  readonly status: string | undefined;
  /** QEMU's message if it failed. */
  readonly error: string | undefined;
}

export const parseMigration = answerTo<QmpMigration>(
  "query-migrate",
  z
    .object({ status: z.string().optional(), "error-desc": z.string().optional() })
    .transform(({ status, "error-desc": error }) => ({ status, error })),
);

/** Parses the run state, e.g. "running". */
export const parseRunState = answerTo<string>(
  "query-status",
  z.object({ status: z.string() }).transform(({ status }) => status),
);

/** A block node in the answer to `query-named-block-nodes`. */
export interface QmpBlockNode {
  readonly name: string;
  /** In bytes. */
  readonly virtualSize: number;
}

export const parseBlockNodes = answerTo<readonly QmpBlockNode[]>(
  "query-named-block-nodes",
  z.array(
    z
      .object({ "node-name": z.string(), image: z.object({ "virtual-size": z.number() }) })
      .transform(({ "node-name": name, image }) => ({ name, virtualSize: image["virtual-size"] })),
  ),
);

/** A job in the answer to `query-jobs`. */
export interface QmpJob {
  readonly id: string;
  /** "concluded" when the job has ended, with success or failure. */
  readonly status: string;
  /** QEMU's message if it failed. */
  readonly error?: string | undefined;
}

export const parseJobs = answerTo<readonly QmpJob[]>(
  "query-jobs",
  z.array(z.object({ id: z.string(), status: z.string(), error: z.string().optional() })),
);

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
