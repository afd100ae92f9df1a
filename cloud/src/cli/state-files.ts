import { access, constants, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError } from "@psgl/sdk";

/** Files of a folder that `psgl cloud --state` or `psgl demo --out` writes into. */
export interface StateFiles {
	/** The run between two rounds. */
	readonly checkpoint: string;
	/** Folder of what devices sent and the aggregator decided. */
	readonly journal: string;
	/** The artifact a stopped run started from: a checkpoint goes on from no other. */
	readonly untrained: string;
	/** Folder of staged roll-outs. */
	readonly rollout: string;
	/** Folder of the devices' twins. */
	readonly twins: string;
	/** The trained joint artifact. */
	readonly model: string;
	/** Vanilla split learning, trained beside it. */
	readonly vanilla: string;
	readonly report: string;
}

/** Makes the folder, and sees that files can be made in it. @throws ConfigError `PSGL_OUTPUT_UNWRITABLE`. */
export async function openStateFolder(folder: string): Promise<StateFiles> {
	try {
		await mkdir(folder, { recursive: true });
		await access(folder, constants.W_OK);
	} catch (cause) {
		throw new ConfigError("PSGL_OUTPUT_UNWRITABLE", {
			what: `the folder ${folder} cannot be made or written to`,
			got: (cause as Error).message,
			remedy: "Choose a folder that may be written to",
			cause,
		});
	}
	return stateFiles(folder);
}

/** Where they are. */
export function stateFiles(folder: string): StateFiles {
	return {
		checkpoint: join(folder, "training.checkpoint"),
		journal: join(folder, "journal"),
		untrained: join(folder, "untrained.psgl"),
		rollout: join(folder, "rollout"),
		twins: join(folder, "twins"),
		model: join(folder, "model.psgl"),
		vanilla: join(folder, "vanilla.psgl"),
		report: join(folder, "report.json"),
	};
}
