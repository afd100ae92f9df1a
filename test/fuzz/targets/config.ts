import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { readConfigSection, verbs } from "@psgl/cloud";
import type { FuzzTarget } from "../fuzz-target.js";
import { mutateText } from "../mutate-tree.js";
import { scratchFolder } from "./scratch-folder.js";

/** A configuration file, read for one of its verbs. */
export async function configTarget(): Promise<FuzzTarget> {
	const scratch = await scratchFolder();
	const path = join(scratch.folder, "psgl.json");
	const seeds = [
		{ cloud: { artifact: "chest.psgl", port: 0, rounds: 3, averaging: "krum" }, device: { id: "ward-3", samples: 60 } },
		{
			$schema: "config.schema.json",
			cloud: { classWeights: "balanced", outlierGuard: true },
			compile: { zoo: "lenet" },
		},
		{ "models sign": { artifact: "chest.psgl", key: "ann.key", days: 90 } },
	];
	return {
		seeds: seeds.map((each) => Buffer.from(JSON.stringify(each))),
		mutations: [mutateText],
		async read(bytes) {
			writeFileSync(path, bytes);
			await readConfigSection(path, "cloud", verbs);
		},
		close: () => scratch.remove(),
	};
}
