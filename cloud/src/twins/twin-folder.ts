import { watch } from "node:fs";
import { mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { deviceIdPattern, type ReportedMessage } from "@psgl/sdk/protocol";
import { writeAtomically } from "../files/write-atomically.js";
import { checkedTwin, parseTwin, type TwinHalf } from "./twin-documents.js";
import type { DesiredTwin, Twin, TwinStore } from "./twin-store.js";

/**
 * The devices' twins in a folder, two files a device: what is wanted, written by `set`, and what is in force, written as the device tells. Several
 * processes may use it: `psgl twins` sets while `psgl cloud` runs.
 */
export class TwinFolder implements TwinStore {
	readonly #folder: string;

	private constructor(folder: string) {
		this.#folder = folder;
	}

	static async open(folder: string): Promise<TwinFolder> {
		await mkdir(folder, { recursive: true });
		return new TwinFolder(folder);
	}

	async list(): Promise<readonly Twin[]> {
		const names = (await readdir(this.#folder)).map((file) => /^(.+)\.(desired|reported)\.json$/.exec(file)?.[1]);
		const devices = [...new Set(names)].filter((name) => name !== undefined && deviceIdPattern.test(name));
		return Promise.all(devices.sort().map((device) => this.get(device as string)));
	}

	async get(device: string): Promise<Twin> {
		return { device, desired: await this.desired(device), reported: await this.#read(device, "reported") };
	}

	desired(device: string): Promise<DesiredTwin | undefined> {
		return this.#read(device, "desired");
	}

	async set(device: string, settings: Readonly<Record<string, unknown>>): Promise<DesiredTwin> {
		const checked = checkedTwin(device, settings);
		const version = ((await this.desired(device))?.version ?? 0) + 1;
		const next = { version, settings: checked };
		await writeAtomically(this.#path(device, "desired"), `${JSON.stringify(next, null, "\t")}\n`);
		return next;
	}

	async reported({ type: _, ...told }: ReportedMessage): Promise<void> {
		await writeAtomically(this.#path(told.device, "reported"), `${JSON.stringify(told, null, "\t")}\n`);
	}

	watch(onChange: (device: string) => void): Disposable {
		const watcher = watch(this.#folder, (_, file) => {
			const device = /^(.+)\.desired\.json$/.exec(file ?? "")?.[1];
			if (device !== undefined) onChange(device);
		});
		return { [Symbol.dispose]: () => watcher.close() };
	}

	#path(device: string, half: TwinHalf): string {
		return join(this.#folder, `${device}.${half}.json`);
	}

	async #read<H extends TwinHalf>(device: string, half: H): Promise<ReturnType<typeof parseTwin<H>> | undefined> {
		const path = this.#path(device, half);
		let text: string;
		try {
			text = await readFile(path, "utf8");
		} catch (error) {
			if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
			throw error;
		}
		return parseTwin(half, text, device, path);
	}
}
