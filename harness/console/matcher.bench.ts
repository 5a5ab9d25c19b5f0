/**
 * Measures the console's speed on 25 MB of boot-like text with 20 patterns, in chunks as a pty delivers them.
 * Run: `node dist/harness/console/matcher.bench.js`. It prints MB/s and asserts no limit, since hosts differ.
 */

import { formatDuration } from "../../base/format.js";
import { FedLine } from "../../fixtures/fed-line.js";
import { Console } from "./console.js";

function bootText(megabytes: number): Buffer {
  const lines: string[] = [];
  let length = 0;
  for (let index = 0; length < megabytes * 1e6; index += 1) {
    const stamp = `[${(index / 1000).toFixed(6).padStart(12)}] `;
    const line =
      index % 7 === 0
        ? `\x1b[0;1;39m[\x1b[0;32m  OK  \x1b[0m] Started service-${index}.service - Service number ${index}.\r\n`
        : index % 50 === 0
          ? `trit${stamp}usb 1-1: new device\r\non: network admin${index} 10.99.99.38/24\r\n`
          : `${stamp}pci 0000:00:${index % 32}.0: reg 0x10: [mem 0xfd000000-0xfdffffff pref] ${index}\r\n`;
    lines.push(line);
    length += line.length;
  }
  return Buffer.from(lines.join(""));
}

async function measure(title: string, text: Buffer, chunkLength: number): Promise<void> {
  const line = new FedLine();
  await using console = new Console(line);
  let matches = 0;
  for (let index = 0; index < 18; index += 1) {
    console.watch(new RegExp(`(?:sign number ${index}|never ${index} seen): (\\S+)`), () => matches++);
  }
  console.watch(/^triton: network (\S+)/, () => matches++);
  console.watch(/ login: $/, () => matches++, "prompt");
  const startedAt = performance.now();
  for (let from = 0; from < text.length; from += chunkLength) line.feed(text.subarray(from, from + chunkLength));
  const tookMs = performance.now() - startedAt;
  const rate = text.length / 1000 / tookMs;
  process.stdout.write(`${title}: ${rate.toFixed(1)} MB/s (${formatDuration(tookMs)}, ${matches} matches)\n`);
}

await measure("25 MB of lines, 4 KiB chunks", bootText(25), 4096);
await measure("5 MB of lines, 16 B chunks", bootText(5), 16);
await measure("25 MB without a line end, 4 KiB chunks", Buffer.alloc(25e6, "x"), 4096);
await measure("2 MB without a line end, 16 B chunks", Buffer.alloc(2e6, "x"), 16);
