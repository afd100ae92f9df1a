import { execFile } from "node:child_process";
import { promisify } from "node:util";

/** Runs a program of the operating system to its end; rejects when it fails. */
export const runProgram = promisify(execFile);
