/**
 * Raw mode of the user's terminal: each key goes to the far end and none acts on livelab; output of the far end, whose own
 * terminal has already formatted it, arrives unchanged.
 * Sources: termios(3); libuv's uv_tty_set_mode(); The GNU C Library, "Stopped and Terminated Jobs".
 */
import { spawnSync } from "node:child_process";

/**
 * Sets raw mode until disposal, which restores the modes. A stopped livelab (SIGTSTP) gives the terminal back to the shell, and
 * takes it again, with the size that it has then, when it continues. Later errors of `stdin` are ignored: a closed terminal cannot be restored. Does nothing if
 * `stdin` is not a terminal.
 * @param stdin this process's standard input
 */
export function enterRawMode(stdin: NodeJS.ReadStream): Disposable {
  if (!stdin.isTTY) return { [Symbol.dispose]: () => {} };
  stdin.on("error", () => {});
  const onStop = (): void => {
    stdin.setRawMode(false);
    process.kill(process.pid, "SIGSTOP");
  };
  const onCont = (): void => {
    stdin.setRawMode(false); // SIGSTOP is not noticed; Node changes nothing if it takes the mode for raw
    setRaw(stdin);
    process.kill(process.pid, "SIGWINCH"); // Node reads the size; the kernel sends this to the foreground only
  };
  process.on("SIGTSTP", onStop);
  process.on("SIGCONT", onCont);
  setRaw(stdin);
  return {
    [Symbol.dispose]: () => {
      process.off("SIGTSTP", onStop);
      process.off("SIGCONT", onCont);
      stdin.setRawMode(false);
    },
  };
}

/**
 * Node's raw mode still makes a new line of each line feed, which full-screen programs use to move down. It has no call for
 * more. On a host without stty(1), it stays so.
 */
function setRaw(stdin: NodeJS.ReadStream): void {
  stdin.setRawMode(true);
  spawnSync("stty", ["-opost"], { stdio: ["inherit", "ignore", "ignore"] });
}
