/**
 * Runs resolve-lock.sh in a machine that has apt, so that apt itself decides which packages a set needs (DESIGN D3).
 * The callers choose the indexes that apt reads (lock-update.ts, lock-verify.ts).
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { quoteWord } from "../../base/command-line.js";
import type { Progress } from "../../base/progress/progress.js";
import { InputError } from "../builder-error.js";
import { formatDeb822 } from "../profile/deb822.js";
import type { LockSpec, SetSpec } from "../profile/profiles.js";
import type { Gateway } from "../store/gateway.js";
import type { ProxySettings } from "../store/http-get.js";
import type { Mirrors } from "../store/mirrors.js";
import type { Store } from "../store/store.js";
import { aptPreferences } from "./apt-sources.js";

/** A machine with apt 2.6 or later, gpgv and debian-archive-keyring whose only network is a gateway. */
export interface ResolverMachine extends AsyncDisposable {
  /** Runs a command line of POSIX sh; a status other than 0 is a result. */
  exec(
    command: string,
    options?: { stdin?: string; signal?: AbortSignal },
  ): Promise<{ readonly status: number; readonly stdout: Buffer; readonly stderr: string }>;
  /** Address of the gateway inside the machine, without a slash at the end: "http://127.0.0.1:3142". */
  readonly gatewayUrl: string;
}

/** Options of both updateLock() and verifyLock(). */
export interface ResolveRequest {
  readonly projectRoot: string;
  readonly store: Store;
  readonly mirrors: Mirrors;
  /** Starts a machine that can reach only this gateway. */
  readonly openMachine: (gateway: Gateway) => Promise<ResolverMachine>;
  readonly progress: Progress;
  /** @default no proxy */
  readonly proxy?: ProxySettings | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A working folder in the machine with one sources.list. */
export class Resolver implements AsyncDisposable {
  readonly #machine: ResolverMachine;
  readonly #folder: string;
  readonly #signal: AbortSignal | undefined;

  private constructor(machine: ResolverMachine, folder: string, signal: AbortSignal | undefined) {
    this.#machine = machine;
    this.#folder = folder;
    this.#signal = signal;
  }

  /**
   * Makes the working folder.
   * @param sources text of its sources.list(5), one-line style
   * @throws InputError UPDATE_FAILED
   */
  static async open(
    machine: ResolverMachine,
    options: { projectRoot: string; profile: LockSpec; sources: string; signal?: AbortSignal | undefined },
  ): Promise<Resolver> {
    const script = await readFile(join(options.projectRoot, "builder/resolve/resolve-lock.sh"), "utf8");
    const { status, stdout, stderr } = await machine.exec("mktemp -d");
    if (status !== 0)
      throw new InputError("UPDATE_FAILED", `cannot make a working folder in the builder machine: ${stderr}`);
    const resolver = new Resolver(machine, stdout.toString().trim(), options.signal);
    await resolver.writeFile("resolve-lock.sh", script);
    await resolver.writeFile("sources.list", options.sources);
    await resolver.writeFile("preferences", aptPreferences(options.profile));
    await resolver.writeFile("provided.Packages", providedStanzas(options.profile));
    return resolver;
  }

  /** Writes a file into the working folder. With "<set>.Packages" other sets can be resolved on top of that set. */
  async writeFile(name: string, text: string): Promise<void> {
    await this.#run(`cat >${quoteWord(`${this.#folder}/${name}`)}`, text);
  }

  /**
   * Resolves a set with apt. The set that `spec.on` names must have been resolved or written before.
   * @returns text of the lock file
   * @throws InputError UPDATE_FAILED with apt's output
   */
  async resolve(spec: SetSpec): Promise<string> {
    const args = [`${this.#folder}/resolve-lock.sh`, this.#folder, spec.name, spec.on ?? "-", ...spec.packages];
    await this.#run(`sh ${args.map(quoteWord).join(" ")}`);
    return await this.#run(`cat ${quoteWord(`${this.#folder}/${spec.name}.Packages`)}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // The machine may be gone already, and its folder with it.
    await this.#machine.exec(`rm -rf ${quoteWord(this.#folder)}`).catch(() => {});
  }

  async #run(command: string, stdin?: string): Promise<string> {
    const { status, stdout, stderr } = await this.#machine.exec(command, {
      ...(stdin === undefined ? {} : { stdin }),
      ...(this.#signal === undefined ? {} : { signal: this.#signal }),
    });
    if (status === 0) return stdout.toString();
    throw new InputError("UPDATE_FAILED", `apt cannot resolve the packages (status ${status}):\n${stderr.trimEnd()}`, {
      hint: "for a bad signature, set another LIVELAB_MIRROR; for an unknown package, correct builder/profile/profiles.ts",
    });
  }
}

/** Packages that the build makes itself, as stanzas in the format of dpkg's status file. */
function providedStanzas(profile: LockSpec): string {
  return formatDeb822(
    profile.made.map(({ name, provides }) => ({
      fields: [
        { name: "Package", value: name },
        { name: "Version", value: "1" },
        { name: "Architecture", value: profile.architecture },
        { name: "Provides", value: provides.join(", ") },
      ],
    })),
  );
}
