/** The only import of commander, which parses the command line and writes the help. */
export { Command, CommanderError, Option } from "commander";
