/**
 * The serial ports of a server by their names in CNAPI, where SmartOS's names are used for Linux, too.
 * Source: sdc-booter lib/menulst.js (getConsoleConfig).
 */

/** CNAPI's values of `serial`, in the order of Linux's ports. */
export const serialNames = ["ttya", "ttyb", "ttyc", "ttyd"] as const;
export type SerialName = (typeof serialNames)[number];

/** "ttyb" → 1 */
export const serialUnit = (name: SerialName): number => serialNames.indexOf(name);

/** "ttyb" → "ttyS1" */
export const linuxSerial = (name: SerialName): string => `ttyS${serialUnit(name)}`;

/** The kernel arguments that booter writes for the screen and a serial port; the last one becomes /dev/console. */
export const consoleArguments = (name: SerialName): readonly [string, string] => [
  "console=tty0",
  `console=${linuxSerial(name)},115200n8`,
];
