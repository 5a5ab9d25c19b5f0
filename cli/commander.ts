/** The door to commander, which reads the command line and writes the help. */
export { Command, CommanderError, Option } from "commander";
