import { watch } from "node:fs";
import { mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { DataError } from "@psgl/sdk";
import { deviceIdPattern, type ReportedMessage } from "@psgl/sdk/protocol";
import { checkTwin, type TwinSettings } from "@psgl/sdk/twin";
import { z } from "zod";
import { writeAtomically } from "../files/write-atomically.js";
import { twinRefused } from "./twin-errors.js";

const desired = z.strictObject({ version: z.int().positive(), settings: z.record(z.string(), z.unknown()) });

/** What an operator wants of a device. */
export interface DesiredTwin {
	/** Counted from 1 for each device. */
	readonly version: number;
	readonly settings: TwinSettings;
}

/** What a device told last. */
export type ReportedTwin = Omit<ReportedMessage, "type">;

/** Both halves of a device's digital twin. */
export interface Twin {
	readonly device: string;
	readonly desired: DesiredTwin | undefined;
	readonly reported: ReportedTwin | undefined;
}

/**
 * The devices' twins in a folder, two files a device: what is wanted, written by `set`, and what is in force, written as the device tells. Several
 * processes may use it: `psgl twins` sets while `psgl cloud` runs.
 */
export class TwinFolder {
	readonly #folder: string;

	private constructor(folder: string) {
		this.#folder = folder;
	}

	static async open(folder: string): Promise<TwinFolder> {
		await mkdir(folder, { recursive: true });
		return new TwinFolder(folder);
	}

	/** Twins of which anything is known, by the devices' names. @throws DataError `PSGL_TWIN_DAMAGED`. */
	async list(): Promise<readonly Twin[]> {
		const names = (await readdir(this.#folder)).map((file) => /^(.+)\.(desired|reported)\.json$/.exec(file)?.[1]);
		const devices = [...new Set(names)].filter((name) => name !== undefined && deviceIdPattern.test(name));
		return Promise.all(devices.sort().map((device) => this.get(device as string)));
	}

	/** @throws DataError `PSGL_TWIN_DAMAGED`. */
	async get(device: string): Promise<Twin> {
		return {
			device,
			desired: await this.desired(device),
			reported: await this.#read(device, "reported", parseReported),
		};
	}

	/** What is wanted of a device. @throws DataError `PSGL_TWIN_DAMAGED`. */
	desired(device: string): Promise<DesiredTwin | undefined> {
		return this.#read(device, "desired", (json) => desired.parse(json) as DesiredTwin);
	}

	/**
	 * Wants settings of a device in place of all before, as the next version.
	 * @throws ConfigError `PSGL_TWIN_REFUSED` for a device's name or a setting that cannot be used; DataError `PSGL_TWIN_DAMAGED`.
	 */
	async set(device: string, settings: Readonly<Record<string, unknown>>): Promise<DesiredTwin> {
		if (!deviceIdPattern.test(device)) throw twinRefused("device", JSON.stringify(device));
		const checked = checkTwin(settings);
		const [wrong] = Object.entries(checked.errors);
		if (wrong !== undefined) throw twinRefused(wrong[0], wrong[1]);
		const version = ((await this.desired(device))?.version ?? 0) + 1;
		const next = { version, settings: checked.settings };
		await writeAtomically(this.#path(device, "desired"), `${JSON.stringify(next, null, "\t")}\n`);
		return next;
	}

	/** Keeps what a device told. */
	async reported({ type: _, ...told }: ReportedMessage): Promise<void> {
		await writeAtomically(this.#path(told.device, "reported"), `${JSON.stringify(told, null, "\t")}\n`);
	}

	/** Calls `onChange` with a device's name when something else is wanted of it, until it is disposed of. */
	watch(onChange: (device: string) => void): Disposable {
		const watcher = watch(this.#folder, (_, file) => {
			const device = /^(.+)\.desired\.json$/.exec(file ?? "")?.[1];
			if (device !== undefined) onChange(device);
		});
		return { [Symbol.dispose]: () => watcher.close() };
	}

	#path(device: string, half: "desired" | "reported"): string {
		return join(this.#folder, `${device}.${half}.json`);
	}

	async #read<T>(device: string, half: "desired" | "reported", parse: (json: unknown) => T): Promise<T | undefined> {
		const path = this.#path(device, half);
		let text: string;
		try {
			text = await readFile(path, "utf8");
		} catch (error) {
			if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
			throw error;
		}
		try {
			return parse(JSON.parse(text));
		} catch (cause) {
			throw new DataError("PSGL_TWIN_DAMAGED", {
				what: `the ${half} twin of ${device} cannot be read`,
				got: path,
				remedy: "Remove the file, and set what is wanted of the device again",
				cause,
			});
		}
	}
}

/** Written by this program alone. */
function parseReported(json: unknown): ReportedTwin {
	return z.looseObject({ device: z.string(), version: z.int() }).parse(json) as unknown as ReportedTwin;
}
