/**
 * Control stanzas: the text format of lock files, Packages and Release files.
 * Source: deb822(5); Debian Policy 5.1 "Syntax of control files".
 */
import { InputError } from "../builder-error.js";

/** One field. A value of several lines contains its continuation lines as written, including the leading space. */
export interface Field {
  readonly name: string;
  readonly value: string;
}

/** One paragraph: its fields in the order of the file. */
export class Stanza {
  readonly fields: readonly Field[];
  /** Place of its first field, as "file:line". */
  readonly place: string;

  constructor(fields: readonly Field[], place: string) {
    this.fields = fields;
    this.place = place;
  }

  /** The value of a field, or undefined. The name is not case-sensitive. */
  get(name: string): string | undefined {
    const wanted = name.toLowerCase();
    return this.fields.find((field) => field.name.toLowerCase() === wanted)?.value;
  }

  /** The value of a required field. @throws InputError MALFORMED if the field is missing or empty */
  require(name: string): string {
    const value = this.get(name);
    if (value !== undefined && value !== "") return value;
    throw new InputError("MALFORMED", `${this.place}: the stanza has no ${name}`);
  }
}

// A field name is printable US-ASCII without space and colon, and begins with neither # nor -.
const fieldLine = /^([!"$-,.-9;-~][!-9;-~]*)[ \t]*:[ \t]*(.*)$/;

/**
 * Reads the stanzas of a control file; lines that begin with # are comments.
 * @param file name of the file for messages
 * @throws InputError MALFORMED with file and line
 */
export function parseDeb822(text: string, file: string): Stanza[] {
  const stanzas: Stanza[] = [];
  let fields: { name: string; value: string }[] = [];
  let firstLine = 0;
  const endStanza = (): void => {
    if (fields.length > 0) stanzas.push(new Stanza(fields, `${file}:${firstLine}`));
    fields = [];
  };
  const malformed = (lineNumber: number, why: string): InputError =>
    new InputError("MALFORMED", `${file}:${lineNumber}: ${why}`);

  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const lineNumber = index + 1;
    if (line.startsWith("#")) continue;
    if (/^[ \t]*$/.test(line)) {
      endStanza();
      continue;
    }
    if (line.startsWith(" ") || line.startsWith("\t")) {
      const last = fields.at(-1);
      if (last === undefined) throw malformed(lineNumber, "a continuation line without a field before it");
      last.value += `\n${line.trimEnd()}`;
      continue;
    }
    const match = fieldLine.exec(line);
    if (match === null) throw malformed(lineNumber, `neither a field nor a continuation: ${JSON.stringify(line)}`);
    const [, name = "", value = ""] = match;
    if (fields.some((field) => field.name.toLowerCase() === name.toLowerCase()))
      throw malformed(lineNumber, `field ${name} appears twice in one stanza`);
    if (fields.length === 0) firstLine = lineNumber;
    fields.push({ name, value: value.trimEnd() });
  }
  endStanza();
  return stanzas;
}

/** Formats stanzas, each followed by an empty line. parseDeb822 reads the same stanzas from the result. */
export function formatDeb822(stanzas: readonly { readonly fields: readonly Field[] }[]): string {
  const formatField = ({ name, value }: Field): string =>
    value === "" || value.startsWith("\n") ? `${name}:${value}\n` : `${name}: ${value}\n`;
  return stanzas.map((stanza) => `${stanza.fields.map(formatField).join("")}\n`).join("");
}
