/**
 * Runs a CN from power-on to its report, with its headnode, machine, consoles and milestones.
 * boot.ts and scenarios/scenario-boot.ts drive it; boot-outcome.ts builds the report.
 */
import { loadavg } from "node:os";
import { join } from "node:path";
import { quoteWord } from "../../base/command-line.js";
import { DisposableStack } from "../../base/disposable-stack.js";
import { formatDuration } from "../../base/format.js";
import type { Progress } from "../../base/progress/progress.js";
import { waitAtMost } from "../../base/wait-at-most.js";
import { type AcceleratorVerdict, decideAccelerator, dropKvmVerdict } from "../../vm/accelerator/accelerator.js";
import { isKvmFailure } from "../../vm/accelerator/kvm-failure.js";
import { launchMachine, type RunningMachine } from "../../vm/machine.js";
import { describeExit, type GuestEnd } from "../../vm/qemu/exit-report.js";
import { SerialLine } from "../../vm/serial/serial-line.js";
import { VmError } from "../../vm/vm-error.js";
import { digestImage, type ImageDigests } from "../cn-files/image-folder.js";
import { Console } from "../console/console.js";
import { ConsoleLog } from "../console/console-log.js";
import { SerialShell } from "../console/serial-shell.js";
import { ExpectationFailed } from "../harness-error.js";
import type { DhcpExchange } from "../headnode/dhcp-service.js";
import { Headnode, type HeadnodeNetwork } from "../headnode/headnode.js";
import { linuxSerial, serialUnit } from "../headnode/serial-port.js";
import { defaultCnAddress, userNetworkFor } from "../headnode/user-network.js";
import { nextAwaited, reportOf, type SeenBoot, verdictOf } from "./boot-outcome.js";
import type { BootPlan } from "./boot-plan.js";
import { type BootReport, type CommandReport, writeBootReport } from "./boot-report.js";
import { BootTrouble, errorOfEnd } from "./boot-trouble.js";
import { layOutMedium } from "./cn-medium.js";
import { connectCn } from "./cn-network.js";
import { expectEqual, expectSuccess } from "./expect.js";
import { followTranscript } from "./milestone-feed.js";
import { type FatalReason, type MilestoneName, MilestoneRecorder } from "./milestones.js";
import { makeReportFolder } from "./report-folder.js";
import { type CnTerminal, joinTerminal } from "./terminal.js";

/** Longest time between two milestones on an ordinary host with KVM, in milliseconds. */
const MILESTONE_GAP_MS = 20_000;
/** Longest time from the login prompt to a shell, likewise. */
const LOGIN_MS = 20_000;
/** Longest time for a command in the CN, likewise. */
const COMMAND_MS = 30_000;
/** Longest time for the guest to end itself, likewise. */
const ENDING_MS = 30_000;
/** Longest time from the end of QEMU's consoles to its exit, in milliseconds. */
const EXIT_LIMIT_MS = 2_000;
/** How many lines of the console are kept; a boot prints about a thousand. */
const KEPT_LINES = 20_000;

/** The network of a CN that boots from a medium: DHCP gives it addresses, and no headnode serves anything. */
const mediumNetwork: HeadnodeNetwork = { ...userNetworkFor(defaultCnAddress), bootFile: undefined };

export interface PowerOnContext {
  readonly signal: AbortSignal;
  readonly progress: Progress;
  /** Decides how the machine runs: with KVM or emulated. @default decideAccelerator */
  readonly decideAccelerator?: typeof decideAccelerator | undefined;
}

interface Parts {
  readonly plan: BootPlan;
  readonly context: PowerOnContext;
  readonly accelerator: AcceleratorVerdict;
  /** Undefined for a boot from a medium. */
  readonly headnode: Headnode | undefined;
  readonly machine: RunningMachine;
  /** The serial port where Linux prints: ttyS1, unless the plan says otherwise. */
  readonly line: SerialLine;
  readonly console: Console;
  /** ttyS0, where firmware and iPXE print. It is the same object as `console` if Linux prints there, too. */
  readonly firmware: Console;
  readonly digests: Promise<ImageDigests>;
  readonly clock: Clock;
}

/** Counts from power-on; 0 until then. */
class Clock {
  #poweredOn: number | undefined;
  startedAt = new Date();
  readonly loadAtStart = loadavg()[0] ?? 0;

  powerOn(): void {
    this.#poweredOn = performance.now();
    this.startedAt = new Date();
  }

  readonly nowMs = (): number => (this.#poweredOn === undefined ? 0 : performance.now() - this.#poweredOn);
}

/** How the guest ends itself. The claims of the next boot may depend on it. */
export interface GuestEnding {
  /** The command that root runs to end the guest. Its output is lost with the machine. */
  readonly command: string;
  readonly end: Extract<GuestEnd, "guest-reset" | "guest-shutdown">;
}

export class RunningCn implements AsyncDisposable {
  readonly recorder: MilestoneRecorder;
  readonly #parts: Parts;
  readonly #resources: DisposableStack;
  readonly #trouble: BootTrouble;
  /** Aborted by the caller, or by an event that ends the boot early. */
  readonly #signal: AbortSignal;
  readonly #refused: Set<string>;
  readonly #commands: CommandReport[] = [];
  readonly #plugged: string[] = [];
  #onMilestone: () => void = () => {};
  #ending: Promise<BootReport> | undefined;

  /**
   * Starts all parts of a boot and powers the machine on.
   * @throws VmError, HarnessError LOG_NOT_WRITABLE, UsageError PORT_IN_USE
   */
  static async powerOn(plan: BootPlan, context: PowerOnContext): Promise<RunningCn> {
    const { image, reportDir } = plan;
    const { signal, progress } = context;
    await makeReportFolder(reportDir);
    const log = (text: string): void => progress.note(text);
    const accelerator = await (context.decideAccelerator ?? decideAccelerator)({
      preference: plan.accelerator,
      kernelPath: image.kernelIsLinux ? image.files.vmlinuz.path : undefined,
      stateDir: plan.stateDir,
      signal,
    });
    progress.note(`accelerator ${accelerator.accelerator}: ${accelerator.reason}`);

    await using cleanup = new DisposableStack();
    const clock = new Clock();
    const digesting = new AbortController();
    cleanup.defer(() => digesting.abort());
    const digests = digestImage(image, AbortSignal.any([signal, digesting.signal])); // awaited when the report is built
    const trouble = new BootTrouble();
    const onDefect = (error: Error): void => trouble.hostFailed(error);
    const { medium } = plan;
    const headnode =
      medium.kind === "ipxe"
        ? cleanup.use(
            await Headnode.start({
              ...plan,
              medium,
              firmware: plan.firmware.kind,
              now: clock.nowMs,
              onDefect,
              transcriptPath: join(reportDir, "headnode.jsonl"),
            }),
          )
        : undefined;
    const { boot, disks } = await layOutMedium(plan, { cleanup, signal });
    const { net, host, dns, dhcpStart, bootFile } = headnode?.network ?? mediumNetwork;
    const userNetwork = { kind: "user", net, host, dns, dhcpStart, bootfile: bootFile } as const;
    const { nics, relays } = await connectCn(plan, {
      userNetwork,
      services: headnode?.services ?? [],
      onDefect,
      cleanup,
    });
    const machine = cleanup.use(
      await launchMachine(
        {
          name: `cn-${image.stamp}`,
          accelerator: accelerator.accelerator,
          cpus: plan.cpus,
          memoryMib: plan.memoryMib,
          uuid: plan.uuid,
          firmware: plan.firmware,
          boot,
          disks,
          freeDiskSlots: plan.plugs.length,
          nics,
          relays,
          // The firmware and iPXE print on ttyS0, and Linux where booter's kernel arguments say. A server has two ports or more.
          serial: Array<"pty">(Math.max(2, serialUnit(plan.serial) + 1)).fill("pty"),
        },
        { workDir: reportDir, signal },
      ).catch(async (error) => {
        if (isKvmFailure(error)) await dropKvmVerdict(plan.stateDir);
        throw error;
      }),
    );
    const openConsole = async (name: string, file: string): Promise<{ line: SerialLine; console: Console }> => {
      const line = cleanup.use(await SerialLine.open(machine.serialPath(name)));
      const consoleLog = ConsoleLog.create({
        rawPath: join(reportDir, `${file}.raw`),
        textPath: join(reportDir, `${file}.log`),
        onFailure: log,
      });
      const console = new Console(line, {
        log: consoleLog,
        keptLines: KEPT_LINES,
        sincePowerOnMs: clock.nowMs,
      });
      return { line, console: cleanup.use(console) };
    };
    const consoleName = linuxSerial(plan.serial);
    const firmwareConsole = consoleName === "ttyS0" ? undefined : await openConsole("ttyS0", "firmware");
    const { line, console } = await openConsole(consoleName, "console");
    const firmware = firmwareConsole?.console ?? console;

    const cn = new RunningCn(
      { plan, context, accelerator, headnode, machine, line, console, firmware, digests, clock },
      trouble,
      cleanup.move(),
    );
    try {
      clock.powerOn();
      await machine.resume();
      return cn;
    } catch (error) {
      await cn[Symbol.asyncDispose]().catch(() => undefined); // the first error counts
      throw error;
    }
  }

  private constructor(parts: Parts, trouble: BootTrouble, resources: DisposableStack) {
    this.#parts = parts;
    this.#resources = resources;
    this.#trouble = trouble;
    this.#signal = AbortSignal.any([parts.context.signal, this.#trouble.signal]);
    this.#refused = new Set();
    this.recorder = new MilestoneRecorder({
      onMilestone: () => this.#onMilestone(),
      onFatalSign: (sign) => this.#trouble.fatalSign(sign),
    });
    for (const each of new Set([parts.firmware, parts.console])) this.recorder.observe(each);
    if (parts.headnode !== undefined) {
      followTranscript(parts.headnode, {
        onMilestone: (event) => this.recorder.record(event),
        onRefusal: ({ path }) => {
          this.#refused.add(path);
          this.#trouble.refused(path);
        },
      });
    }
    void parts.machine.exited.then((exit) => this.#trouble.machineEnded(exit));
    for (const plug of parts.plan.plugs) this.#plugWhenSaid(plug);
  }

  /** Milliseconds since power-on. */
  get nowMs(): number {
    return this.#parts.clock.nowMs();
  }

  /**
   * Waits for a milestone, as long as the boot reaches other milestones before it or the headnode is sending files.
   * @throws ExpectationFailed TIMED_OUT when neither happens for too long; FATAL_SIGN, CONSOLE_ENDED with all signs
   * @throws VmError EXITED_EARLY when QEMU failed, KVM_FAILED when KVM did
   */
  async reach(name: MilestoneName): Promise<void> {
    const { plan, context, accelerator } = this.#parts;
    await context.progress.step(`boot to ${name}`, async (step) => {
      while (!this.recorder.has(name)) {
        // A kernel that does not print hides systemd's first line, too: the next sign comes two steps later.
        const steps = this.recorder.implierOf("kernel") === undefined ? 1 : 2;
        const limitMs = steps * MILESTONE_GAP_MS * accelerator.timeScale;
        const sentBefore = this.#bytesSent;
        const another = new Promise<void>((resolve) => {
          this.#onMilestone = resolve;
        });
        const tooLate = new ExpectationFailed(
          "TIMED_OUT",
          `waited ${formatDuration(limitMs)} after ${this.recorder.last?.name ?? "power-on"} for ${nextAwaited(plan, this.recorder, name)?.awaited}`,
        );
        await waitAtMost(another, { limitMs, signal: this.#signal, onLimit: () => tooLate }).catch((error) => {
          // A slow transfer (a few KiB a second, by TFTP to an emulated PXE) is progress, too.
          if (error !== tooLate || this.#bytesSent === sentBefore) throw error;
        });
        step.status(`${this.recorder.last?.name ?? "power-on"} at ${formatDuration(this.nowMs)}`);
      }
    });
    this.#signal.throwIfAborted();
  }

  /** The lines printed on the console so far, oldest first. */
  consoleLines(): readonly string[] {
    return this.#parts.console.tail(KEPT_LINES);
  }

  /** Requests to the headnode's own DHCP and its answers so far. */
  get dhcp(): readonly DhcpExchange[] {
    return this.#parts.headnode?.dhcp ?? [];
  }

  /** Paths of the disks plugged in so far. */
  get plugged(): readonly string[] {
    return this.#plugged;
  }

  /**
   * Waits for a stop that the image makes on purpose.
   * @throws ExpectationFailed WRONG_VALUE when the boot reaches a login; as reach() when it stops for another reason
   */
  async stopWith(reason: FatalReason): Promise<void> {
    try {
      await this.reach("login");
    } catch (error) {
      if (this.recorder.fatalSigns.some((sign) => sign.reason === reason)) return;
      throw error;
    }
    throw new ExpectationFailed("WRONG_VALUE", `the boot reached the login prompt instead of stopping with ${reason}`);
  }

  /**
   * Checks that a stopped boot stays stopped.
   * @param nativeMs how long to watch, in milliseconds at native speed
   * @throws ExpectationFailed CONSOLE_ENDED when the guest ends the machine; WRONG_VALUE when it reaches a milestone
   * @throws VmError EXITED_EARLY when QEMU failed, KVM_FAILED when KVM did
   */
  async expectStaysStopped(nativeMs: number): Promise<void> {
    const before = this.recorder.reached.length;
    const exit = await waitAtMost(this.#parts.machine.exited, {
      limitMs: this.#scaled(nativeMs),
      signal: this.#parts.context.signal,
    });
    if (exit !== undefined) throw errorOfEnd(exit);
    const later = this.recorder.reached.slice(before).map(({ name }) => name);
    expectEqual("the list of later milestones", later, []);
  }

  /**
   * Runs a command as root that ends the guest, and waits for the end.
   * @throws ExpectationFailed TIMED_OUT when the guest keeps running; WRONG_VALUE when it ends in another way
   * @throws VmError KVM_FAILED, EXITED_EARLY when the host ends it
   */
  async endItself(shell: CnShell, { command, end }: GuestEnding): Promise<void> {
    const { machine, context } = this.#parts;
    // It runs in its own session after a delay, so that the shell's answer arrives before the machine ends.
    const inBackground = `setsid sh -c 'sleep 1; '${quoteWord(command)} </dev/null >/run/livelab-ending.log 2>&1 &`;
    expectSuccess(await shell.run(inBackground));
    const limitMs = this.#scaled(ENDING_MS);
    const exit = await context.progress.step(command, () =>
      waitAtMost(machine.exited, {
        limitMs,
        signal: context.signal,
        onLimit: () =>
          new ExpectationFailed("TIMED_OUT", `the guest still runs ${formatDuration(limitMs)} after ${command}`),
      }),
    );
    if (exit.reason !== end) {
      const byHost = errorOfEnd(exit);
      if (byHost instanceof VmError) throw byHost;
      throw new ExpectationFailed("WRONG_VALUE", `${command} should end in ${end}, but ${describeExit(exit)}`);
    }
  }

  /** Logs in as root on the console. @throws ExpectationFailed LOGIN_REFUSED with the reason */
  async logIn(): Promise<CnShell> {
    const { plan, console } = this.#parts;
    try {
      const shell = await SerialShell.login(console, {
        user: "root",
        ...(plan.rootPassword !== undefined && { password: plan.rootPassword }),
        timeoutMs: this.#scaled(LOGIN_MS),
        signal: this.#signal,
      });
      return {
        run: (command) => this.#run(shell, command),
        [Symbol.asyncDispose]: () => shell[Symbol.asyncDispose](),
      };
    } catch (thrown) {
      const error = await this.#causeOf(thrown);
      if (!(error instanceof ExpectationFailed) || error.code !== "LOGIN_REFUSED" || plan.rootPassword !== undefined) {
        throw error;
      }
      const path = plan.nodeConfig?.path;
      const lacks = path === undefined ? "the boot has no node.config" : `${path} has no root_shadow`;
      throw new ExpectationFailed(
        "LOGIN_REFUSED",
        `cannot log in: the image asks root for a password, and ${lacks} to set one that livelab knows`,
        { cause: error, hint: "use fixtures/node.config, or an image whose root has no password" },
      );
    }
  }

  /**
   * Joins a terminal to the console until the escape key or the machine's end. Fatal signs do not end it: the user sees them.
   * @throws VmError KVM_FAILED, EXITED_EARLY when the host ends the machine
   */
  async attach(terminal: CnTerminal): Promise<void> {
    const { plan, line, machine, context } = this.#parts;
    if (terminal.stdin.isTTY) {
      context.progress.note(`your terminal is joined to the console ${linuxSerial(plan.serial)}; Ctrl-] disconnects`);
    }
    await joinTerminal(line, terminal, { ended: machine.exited, signal: context.signal });
    const ended = Promise.race([line.closed, machine.exited]).then(() => true);
    const hasEnded = await waitAtMost(ended, { limitMs: 0 });
    const cause = hasEnded && (await this.#machineEnd());
    if (cause instanceof VmError) throw cause;
  }

  /**
   * Ends the machine and writes the report. A second call gets the same report.
   * @param error what went wrong, or undefined when everything requested succeeded
   */
  end(error?: unknown): Promise<BootReport> {
    this.#ending ??= this.#end(error);
    return this.#ending;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#trouble[Symbol.dispose]();
    await this.#resources[Symbol.asyncDispose]();
  }

  #plugWhenSaid({ disk, when }: BootPlan["plugs"][number]): void {
    const { console, machine } = this.#parts;
    const stop = console.watch(when, () => {
      stop();
      machine.plugDisk(disk).then(
        () => this.#plugged.push(disk.path),
        (error: Error) => this.#trouble.hostFailed(error),
      );
    });
  }

  get #bytesSent(): number {
    return this.#parts.headnode?.transcript.bytesSent ?? 0;
  }

  #scaled(ms: number): number {
    return ms * this.#parts.accelerator.timeScale;
  }

  async #run(shell: SerialShell, command: string): Promise<CommandReport> {
    const startMs = this.nowMs;
    const { status, stdout, stderr } = await shell
      .run(command, { timeoutMs: this.#scaled(COMMAND_MS), signal: this.#signal })
      .catch(async (error) => {
        throw await this.#causeOf(error);
      });
    const report = { command, status, stdout, stderr, durationMs: this.nowMs - startMs };
    this.#commands.push(report);
    return report;
  }

  /** Replaces a console error by the machine's end if that caused it: the end of the serial line is noticed first. */
  async #causeOf(error: unknown): Promise<unknown> {
    const isConsoles =
      (error instanceof ExpectationFailed && error.code === "CONSOLE_ENDED") ||
      (error instanceof VmError && error.code === "LINE_CLOSED");
    return isConsoles ? ((await this.#machineEnd()) ?? error) : error;
  }

  /** The error for the machine's end; undefined while the machine runs. */
  async #machineEnd(): Promise<Error | undefined> {
    const exit = await waitAtMost(this.#parts.machine.exited, { limitMs: EXIT_LIMIT_MS });
    return exit && errorOfEnd(exit);
  }

  async #end(error: unknown): Promise<BootReport> {
    const { plan, machine, clock } = this.#parts;
    const seen: SeenBoot = { ...this.#parts, recorder: this.recorder };
    const durationMs = this.nowMs;
    const verdict = verdictOf(seen, error); // before the machine's end adds console lines
    this.#trouble[Symbol.dispose]();
    const machineEnd = await machine.stop();
    if (machineEnd.kvmFailure !== undefined) await dropKvmVerdict(plan.stateDir);
    const digests = await this.#parts.digests; // before disposing of the resources, which aborts the digests
    await this.#resources[Symbol.asyncDispose]();
    const report = reportOf(seen, {
      startedAt: clock.startedAt,
      durationMs,
      verdict,
      refusedPaths: [...this.#refused],
      commands: this.#commands,
      qemu: machine.qemu,
      machineEnd,
      digests,
      loadAtStart: clock.loadAtStart,
    });
    await writeBootReport(plan.reportDir, report);
    return report;
  }
}

/** Root's shell on the console of a CN. The report lists the commands that it ran. */
export interface CnShell extends AsyncDisposable {
  /** A status other than 0 is a result, not an error. @throws ExpectationFailed, HarnessError */
  run(command: string): Promise<CommandReport>;
}
