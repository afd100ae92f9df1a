#!/usr/bin/env node
import { runCli } from "./run-cli.js";
import { verbs } from "./verbs.js";

process.exitCode = await runCli(process.argv.slice(2), verbs);
