/**
 * What QEMU knows of a guest that runs on but answers no more, for whoever looks for the cause: where its processors
 * are, twice, so that one sees whether they move; what waits in its interrupt controllers and in its port's queues.
 * Source: QEMU's monitor commands "info …"; qapi/virtio.json ("x-query-virtio…", since 7.2).
 */
import { writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { QmpSession } from "./qemu/qmp-session.js";
import type { VmError } from "./vm-error.js";

/** Between the two looks at the processors, in milliseconds. */
const BETWEEN_MS = 200;
/** Queues of a virtio-serial device with one port besides the console's: in and out of each, and of the control channel. */
const SERIAL_QUEUES = 6;

/**
 * Asks and writes the answers to a file; what QEMU does not know is said in its place, and a QEMU that does not answer
 * is asked no further.
 */
export async function writeStallReport(qmp: QmpSession, path: string, cpus: number): Promise<void> {
  const answers: string[] = [];
  const ask = async (command: string, args: Record<string, unknown> = {}): Promise<unknown> => {
    answers.push(`== ${Object.values({ command, ...args }).join(" ")}`);
    const answer = await qmp.execute(command, args).catch((error: VmError) => {
      if (error.code === "QMP_ERROR") return error.message;
      throw error;
    });
    answers.push(typeof answer === "string" ? answer.trimEnd() : JSON.stringify(answer, null, 1));
    return answer;
  };
  const monitor = (line: string): Promise<unknown> => ask("human-monitor-command", { "command-line": line });
  try {
    await ask("query-status");
    await monitor("info registers -a");
    await sleep(BETWEEN_MS);
    await monitor("info registers -a");
    for (let cpu = 0; cpu < cpus; cpu += 1) await monitor(`info lapic ${cpu}`);
    for (const line of ["info irq", "info chardev", "info qtree"]) await monitor(line);
    const devices = await ask("x-query-virtio");
    const serial = Array.isArray(devices) ? devices.find(({ name }) => name === "virtio-serial") : undefined;
    if (serial !== undefined) {
      await ask("x-query-virtio-status", { path: serial.path });
      for (let queue = 0; queue < SERIAL_QUEUES; queue += 1)
        await ask("x-query-virtio-queue-status", { path: serial.path, queue });
    }
  } catch (error) {
    answers.push((error as Error).message);
  }
  await writeFile(path, `${answers.join("\n")}\n`);
}
