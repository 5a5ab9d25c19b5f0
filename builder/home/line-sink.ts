/** A writable that passes bytes on unchanged and calls back with each complete line, without its line end. */
import { pipeline, Transform, type Writable } from "node:stream";
import { StringDecoder } from "node:string_decoder";

const LONGEST_LINE = 4096;

/**
 * An error of `target` fails the sink, even before the first write: a later writer finds the sink `errored`.
 * Destroying the sink destroys `target`.
 * @param onLine gets at most the first 4096 characters of a line
 */
export function lineSink(target: Writable, onLine: (line: string) => void): Transform {
  const decoder = new StringDecoder("utf8");
  let rest = "";
  const sink = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      // apt and mksquashfs redraw a line with a carriage return: pass only the last text of the line.
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
  pipeline(sink, target, () => undefined); // the callers of both streams see the error themselves
  sink.on("error", () => undefined); // without a listener, an early error would end the process
  return sink;
}
