import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";

/** Folder `shared` beside the project: golden vectors and data sets, not part of it. */
const folder = fileURLToPath(new URL("../../../../shared", import.meta.url));

/** Path of a file in the shared folder. */
export const sharedPath = (...parts: readonly string[]): string => join(folder, ...parts);

/** Whether the shared folder is there. */
export const hasShared = existsSync(folder);

/** `test` where the shared folder is there; where it is not, the test is listed as skipped. */
export const withShared = hasShared ? test : test.skip;
