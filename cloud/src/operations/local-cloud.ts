import { stat } from "node:fs/promises";
import { basename } from "node:path";
import type { Aggregator } from "../aggregator/aggregator.js";
import { checkpointFiles } from "../aggregator/file-checkpoints.js";
import type { Broker } from "../broker/broker.js";
import type { RolloutDesk } from "../rollout/rollout.js";
import type { TwinStore } from "../twins/twin-store.js";
import { notNow } from "./api/api-error.js";
import type { DeviceBoard, DeviceFigures } from "./board/device-board.js";
import type { StorageFigures } from "./board/storage-figures.js";
import type { RunningCloud } from "./running-cloud.js";

export interface LocalCloudParts {
	readonly aggregator: Aggregator;
	readonly broker: Pick<Broker, "log">;
	readonly twins: TwinStore;
	/** Undefined where nothing is trained. */
	readonly checkpointFile: string | undefined;
}

/** The cloud that is this process, with its files. */
export class LocalCloud implements RunningCloud {
	readonly partitions = [];
	readonly #parts: LocalCloudParts;
	readonly #board: DeviceBoard;

	/** @param board what events told of devices */
	constructor(parts: LocalCloudParts, board: DeviceBoard) {
		this.#parts = parts;
		this.#board = board;
	}

	get round(): number {
		return this.#parts.aggregator.round;
	}

	get model(): number {
		return this.#parts.aggregator.model;
	}

	get settings(): Readonly<Record<string, unknown>> {
		return this.#parts.aggregator.settings;
	}

	get rollout(): RolloutDesk | undefined {
		return this.#parts.aggregator.rollout;
	}

	get twins(): TwinStore {
		return this.#parts.twins;
	}

	devices(): readonly DeviceFigures[] {
		const { aggregator } = this.#parts;
		return this.#board.list(aggregator.devices(), aggregator.model);
	}

	async stop(): Promise<void> {
		this.#parts.aggregator.stop();
	}

	async storage(): Promise<StorageFigures> {
		const { broker, checkpointFile } = this.#parts;
		const { durable, start, openedAt, end } = broker.log;
		const files = checkpointFile === undefined ? [] : checkpointFiles(checkpointFile);
		const checkpoints = (await Promise.all(files.map(factsOf))).flat();
		return { logs: [{ name: "journal", durable, start, openedAt, end }], checkpoints };
	}

	async checkpoint(): Promise<number> {
		const { aggregator, checkpointFile } = this.#parts;
		if (checkpointFile === undefined) throw notNow("nothing is trained here", "There is no state to write");
		const { round } = aggregator;
		await aggregator.checkpoint(checkpointFile);
		return round;
	}
}

/** None where there is no such file. */
async function factsOf(file: string): Promise<StorageFigures["checkpoints"]> {
	const facts = await stat(file).catch(() => undefined);
	return facts === undefined ? [] : [{ file: basename(file), bytes: facts.size, at: facts.mtime.toISOString() }];
}
