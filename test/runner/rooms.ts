/**
 * Reads the rooms of the tree and the arrows between them from docs/architecture.md: the import check enforces the drawing that
 * people read.
 */
import { dirname } from "node:path";

/** Rooms in the drawing's order, each with the rooms that its files may import. */
export type Rooms = ReadonlyMap<string, readonly string[]>;

/** The block's fence in docs/architecture.md. */
const FENCE = /^```rooms\n(.*?)^```$/ms;

/**
 * Reads the drawing. Each line is a room, followed by the rooms that it may import, or "-" for none. A room is a folder without
 * its subfolders, or a single file.
 * @throws Error if the document has no drawing
 */
export function parseRooms(document: string): Rooms {
  const block = FENCE.exec(document)?.[1];
  if (block === undefined) throw new Error("docs/architecture.md has no block that begins with ```rooms");
  const lines = block.split("\n").map((line) => line.trim().split(/\s+/));
  return new Map(
    lines
      .filter(([room]) => room !== "")
      .map(([room = "", ...imports]) => [room, imports.filter((name) => name !== "-")] as const),
  );
}

/** Checks the drawing itself: a room must stand above the rooms that import it, so that the drawing has no circle. */
export function drawingProblems(rooms: Rooms): readonly string[] {
  const above = new Set<string>();
  const problems: string[] = [];
  for (const [room, imports] of rooms) {
    for (const name of imports) {
      if (!above.has(name)) problems.push(`the drawing lets ${room} import ${name}, which is not above it`);
    }
    above.add(room);
  }
  return problems;
}

/** Finds the room of a file: its own line in the drawing, or its folder's. @param file path relative to the root */
export const roomOf = (file: string, rooms: Rooms): string => (rooms.has(file) ? file : dirname(file));

/** "vm/qemu" → "vm": the part that a room or a file belongs to. */
export const partOf = (path: string): string => path.slice(0, path.includes("/") ? path.indexOf("/") : undefined);

/** The parts that a part's rooms may import, including itself. The part's tests may import all of them. */
export function partsBelow(part: string, rooms: Rooms): ReadonlySet<string> {
  const mine = [...rooms].filter(([room]) => partOf(room) === part);
  return new Set([part, ...mine.flatMap(([, imports]) => imports.map(partOf))]);
}
