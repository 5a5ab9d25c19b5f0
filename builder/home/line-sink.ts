/** A writable that passes bytes on unchanged and calls back with each whole line, without its line end. */
import { pipeline, Transform, type Writable } from "node:stream";
import { StringDecoder } from "node:string_decoder";

const LONGEST_LINE = 4096;

/**
 * A failure of `target` fails the sink, also one that comes before anybody writes to it: a later writer finds it `errored`.
 * A sink that is destroyed takes `target` with it.
 * @param onLine gets at most the first 4096 characters of a line
 */
export function lineSink(target: Writable, onLine: (line: string) => void): Transform {
  const decoder = new StringDecoder("utf8");
  let rest = "";
  const sink = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      // apt and mksquashfs redraw a line with a carriage return: what stands last counts.
      const lines = (rest + decoder.write(chunk)).split("\n");
      rest = (lines.pop() ?? "").slice(0, LONGEST_LINE);
      for (const line of lines) onLine(line.slice(0, LONGEST_LINE).split("\r").filter(Boolean).at(-1) ?? "");
      done(null, chunk);
    },
    flush(done) {
      if (rest !== "") onLine(rest);
      done();
    },
  });
  pipeline(sink, target, () => undefined); // both know how it ended
  sink.on("error", () => undefined); // a listener from the first tick on: nobody else may have come yet
  return sink;
}
