import { ConfigError, LimitError, type PsglError } from "@psgl/sdk";
import type { Manifest } from "@psgl/sdk/artifact";
import {
	creditVersion,
	type HelloMessage,
	labelsOnDeviceVersion,
	type PauseReason,
	protocolVersions,
} from "@psgl/sdk/protocol";
import { cloudLimits } from "../limits.js";
import type { ResolvedSettings } from "./settings.js";
import { wireTerms } from "./wire-terms.js";

/** A device the aggregator knows. */
export interface RosterDevice {
	readonly id: string;
	hello: HelloMessage;
	online: boolean;
	/** Digest of the client artifact it was told to use; undefined while it is not back since a restart. */
	artifact: string | undefined;
	/** Version of the weights the device is known to hold; undefined while it trains on, or when in doubt. */
	holds: number | undefined;
	/** Negotiated maximum, bytes. */
	maxMessageBytes: number;
	/** Why it does not train at the moment. */
	paused: readonly PauseReason[];
	/** The most releases it has told of; undefined when it told of none. */
	releases: number | undefined;
}

/** Every device that said hello and did not leave. */
export class Roster {
	readonly #devices = new Map<string, RosterDevice>();
	/** Releases that devices which left, or were forgotten, had told of: one that comes back with fewer has an old ledger. */
	readonly #releases = new Map<string, number>();
	/** By id; undefined when somebody came or left since. */
	#sorted: readonly RosterDevice[] | undefined;

	get(id: string): RosterDevice | undefined {
		return this.#devices.get(id);
	}

	/** Devices by id, so that the order does not depend on who came first. */
	get all(): readonly RosterDevice[] {
		this.#sorted ??= [...this.#devices.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
		return this.#sorted;
	}

	get online(): readonly RosterDevice[] {
		return this.all.filter((device) => device.online);
	}

	/** Devices on line with data to train on. */
	get trainers(): readonly RosterDevice[] {
		return this.online.filter(isTrainer);
	}

	/** As `online.length`, without the order: asked for with every device that comes or goes. */
	get onlineCount(): number {
		let count = 0;
		for (const { online } of this.#devices.values()) if (online) count++;
		return count;
	}

	/** As `trainers.length`. */
	get trainerCount(): number {
		let count = 0;
		for (const device of this.#devices.values()) if (device.online && isTrainer(device)) count++;
		return count;
	}

	/**
	 * Takes a device in, or back.
	 * @param version of the weights in the artifact the device gets
	 * @param artifact its digest
	 * @throws LimitError `PSGL_ROSTER_FULL`.
	 */
	welcome(
		hello: HelloMessage,
		maxMessageBytes: number,
		version: number,
		artifact: string,
	): { device: RosterDevice; forgot: boolean } {
		const { releases } = hello;
		const known = this.#devices.get(hello.device);
		if (known !== undefined) {
			const forgot = known.hello.session !== hello.session;
			known.hello = hello;
			known.online = true;
			this.told(known, releases);
			known.maxMessageBytes = maxMessageBytes;
			const another = known.artifact !== undefined && known.artifact !== artifact;
			if (forgot || another) known.holds = version;
			known.artifact = artifact;
			return { device: known, forgot };
		}
		this.#makeRoom();
		const device = {
			id: hello.device,
			hello,
			online: true,
			artifact,
			holds: version,
			maxMessageBytes,
			releases,
			paused: [],
		};
		this.told(device, this.#releases.get(hello.device));
		this.#releases.delete(hello.device);
		this.#add(device);
		return { device, forgot: true };
	}

	/** Takes in a device that a former process knew; it may come back. */
	restore(hello: HelloMessage, maxMessageBytes: number): RosterDevice {
		const { releases } = hello;
		const unknown = { artifact: undefined, holds: undefined };
		const device = { id: hello.device, hello, online: false, ...unknown, maxMessageBytes, releases, paused: [] };
		this.#add(device);
		return device;
	}

	/** A device told how many releases its ledger has. */
	told(device: RosterDevice, releases: number | undefined): void {
		if (releases !== undefined) device.releases = Math.max(device.releases ?? 0, releases);
	}

	/** Forgets a device, but not how many releases it has told of. */
	remove(id: string): void {
		const releases = this.#devices.get(id)?.releases;
		this.#devices.delete(id);
		this.#sorted = undefined;
		if (releases === undefined) return;
		this.#releases.set(id, releases);
		const [oldest] = this.#releases.keys();
		if (this.#releases.size > cloudLimits.releasesKept) this.#releases.delete(oldest as string);
	}

	#add(device: RosterDevice): void {
		this.#devices.set(device.id, device);
		this.#sorted = undefined;
	}

	/** Forgets the device that has been off line and known longest. */
	#makeRoom(): void {
		if (this.#devices.size < cloudLimits.maxDevices) return;
		for (const device of this.#devices.values()) {
			if (device.online) continue;
			this.remove(device.id);
			return;
		}
		throw new LimitError("PSGL_ROSTER_FULL", {
			what: "the aggregator has no room for another device",
			got: `${this.#devices.size} devices on line`,
			expected: `at most ${cloudLimits.maxDevices}`,
			remedy: "Run another aggregator",
		});
	}
}

function isTrainer({ hello }: RosterDevice): boolean {
	return hello.samples.train > 0;
}

/** The newest version both sides speak, of a device that is fit. */
export function commonVersion({ protocols }: HelloMessage): number {
	return Math.max(...protocolVersions.filter((version) => protocols.includes(version)));
}

/**
 * Batches a device may have in flight, where more than one: as many as both sides want. One that asks for no credit has one, and so has
 * one that keeps its labels: each of its steps goes there and back twice.
 */
export function windowFor(
	{ protocols, window = 1 }: HelloMessage,
	{ tail }: Manifest,
	settings: ResolvedSettings,
): number | undefined {
	const both = tail === null ? Math.min(window, settings.window) : 1;
	return both > 1 && protocols.includes(creditVersion) ? both : undefined;
}

/** Why a device cannot take part; undefined when it can. */
export function unfit(hello: HelloMessage, manifest: Manifest, settings: ResolvedSettings): PsglError | undefined {
	const refusal = (what: string, got: string, expected: string, remedy: string) =>
		new ConfigError("PSGL_HELLO_UNFIT", { what, got, expected, remedy });
	if (!protocolVersions.some((version) => hello.protocols.includes(version))) {
		return refusal(
			"the device speaks no protocol version of this aggregator",
			hello.protocols.join(", "),
			`one of ${protocolVersions.join(", ")}`,
			"Update the older side",
		);
	}
	if (manifest.tail !== null && commonVersion(hello) < labelsOnDeviceVersion) {
		return refusal(
			"the device cannot keep its labels, as this model asks it to",
			`protocol ${hello.protocols.join(", ")}`,
			`protocol ${labelsOnDeviceVersion}`,
			"Update psgl on the device",
		);
	}
	if (wireTerms(hello, settings) === undefined) {
		const wanted = [settings.smashedDtype, settings.gradientDtype].join(" and ");
		const offered = hello.dtypes.join(", ");
		const problem = "the device cannot encode the wire's element type, nor a wider one";
		return refusal(problem, offered, wanted, "Choose one every device has");
	}
	const { inputShape, classes } = manifest;
	if (hello.inputShape.length > 0 && hello.inputShape.join() !== inputShape.join()) {
		const [got, expected] = [`[${hello.inputShape.join(",")}]`, `[${inputShape.join(",")}]`];
		return refusal(
			"the device's data do not fit the model",
			got,
			expected,
			"Give the device other data, or compile a model for these",
		);
	}
	if (hello.classes > classes.length) {
		return refusal(
			"the device's labels do not fit the model",
			`${hello.classes} classes`,
			`at most ${classes.length}`,
			"Give the device other data, or compile a model for these",
		);
	}
	return undefined;
}
