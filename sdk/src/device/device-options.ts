import { parseBudget, type ResourceBudget } from "../budget/resource-budget.js";
import { WorkGate } from "../budget/work-gate.js";
import { ConfigError } from "../errors.js";
import { type Clock, systemClock } from "../ports/clock.js";
import type { DeviceStore } from "../ports/device-store.js";
import type { Host } from "../ports/host.js";
import { type Random, seededRandom } from "../ports/random.js";
import { type Runtime, withThreads } from "../ports/runtime.js";
import { secureUniform } from "../ports/secure-random.js";
import type { Transport, TransportEvent } from "../ports/transport.js";
import { deviceIdPattern, protocolLimits, type WireDType, wireDTypes } from "../protocol/index.js";
import { WaitingStore } from "../store/waiting-store.js";
import type { SignedDocument } from "../trust/signed-document.js";
import { ClientSegmentCache } from "./client-segment-cache.js";
import type { CompleteOptions } from "./complete-options.js";
import { type CheckedData, checkData, type DeviceData } from "./device-data.js";
import { deviceTimes } from "./device-times.js";
import type { ModelReport } from "./model-report.js";
import { outboxLimits } from "./outbox.js";
import type { CompleteKit } from "./start-up-kit.js";

export interface DeviceOptions {
	/** Name of the device: 1 to 64 of A-Z, a-z, 0-9, `_` and `-`. The same after every restart. Or give a `kit`. */
	readonly id?: string | undefined;
	/** Broker, for instance `mqtt://127.0.0.1:1883`. Or give a `kit`, or a `transport`. */
	readonly url?: string | undefined;
	/** Id, broker and certificates in one: the name of the file `psgl provision device` wrote, or from `parseStartUpKit`. */
	readonly kit?: CompleteKit | string | undefined;
	/** Link to the broker in place of `url`, with `deviceLastWill` as its last will. The device closes it. */
	readonly transport?: Transport | undefined;
	/** Runs the client segment. Not needed with `segments`. Default in Node.js: `nodeRuntime` of `@psgl/sdk/runtime/node`. */
	readonly runtime?: Runtime | undefined;
	/**
	 * Who signs models (`@psgl/sdk/trust`); a kit brings its own. With it the device takes only artifacts with a release, and
	 * with a `store` remembers over restarts what it took.
	 */
	readonly root?: SignedDocument | undefined;
	/** Compiled client segments shared with other devices in this process. The device does not close them. */
	readonly segments?: ClientSegmentCache | undefined;
	/** What the device learns from, unless `train` is given it. Not needed for `infer`. */
	readonly data?: DeviceData | undefined;
	/**
	 * What outlasts the process: `openDeviceStore` of `@psgl/sdk/store`. With it a device that was killed goes on in the round
	 * where it was. The device closes it. Default: a device that starts again takes part from the next round.
	 */
	readonly store?: DeviceStore | undefined;
	/**
	 * A simulated device, whose samples nobody sends again once its process has ended: it keeps to disclosure budgets without a
	 * `store`. Default false.
	 */
	readonly endsWithProcess?: boolean | undefined;
	/** Bytes of messages without an answer; training stops with `PSGL_OUTBOX_FULL` before more. Default 128 MiB. */
	readonly maxOutboxBytes?: number | undefined;
	/** Milliseconds a message may be without an answer; then training stops with `PSGL_OUTBOX_EXPIRED`. Default a week. */
	readonly maxOutboxAgeMs?: number | undefined;
	/**
	 * Bits that may ever be released of one record, whatever artifacts say; for good once it was given with a `store`. Default: what
	 * artifacts say.
	 */
	readonly budgetBits?: number | undefined;
	/** Turns over the bits of codes (randomised response). Default: the operating system's generator; another one only in tests. */
	readonly noise?: Pick<Random, "uniform"> | undefined;
	/** What of its machine the device may use (docs/device.md). Default: everything. */
	readonly budget?: ResourceBudget | undefined;
	/** The machine, as a budget asks for it. Default in Node.js: `nodeHost` of `@psgl/sdk/budget`. */
	readonly host?: Host | undefined;
	readonly clock?: Clock | undefined;
	/** Session number and delays between attempts to connect. Training draws from the seed in `welcome`. */
	readonly random?: Random | undefined;
	/** Element types the device offers for smashed data and gradients. Default: all. */
	readonly dtypes?: readonly WireDType[] | undefined;
	/** Batches the device can have in flight, where the aggregator wants more than one; each takes memory. Default 8. */
	readonly window?: number | undefined;
	/** Longest MQTT payload the device accepts, bytes. Default 1,000,000. */
	readonly maxMessageBytes?: number | undefined;
	/** Milliseconds after which a missing answer is asked for. Doubles up to eightfold. Default 10,000. */
	readonly answerTimeoutMs?: number | undefined;
	/** Milliseconds `infer` waits for the aggregator before the local head answers. Default 5,000. */
	readonly inferTimeoutMs?: number | undefined;
	/** Milliseconds after which `connect` gives up. Default: never; it tries again with growing delays. */
	readonly connectDeadlineMs?: number | undefined;
	/**
	 * Whether `connect` waits until the broker has answered. With false it resolves at once, for a device that starts without a network: its local
	 * head decides with the model its `store` holds until the link is up. Default true.
	 */
	readonly awaitBroker?: boolean | undefined;
	/** Software and version, for the operator's list. */
	readonly agent?: string | undefined;
	/** Called with every event of the link, also before and without `train`. */
	readonly onLinkEvent?: ((event: TransportEvent) => void) | undefined;
	/** Called when a new model is on trial, confirmed, rejected or rolled back. With a store only: without one there is no place for two. */
	readonly onModel?: ((report: ModelReport) => void) | undefined;
	/** Gives up connecting. */
	readonly signal?: AbortSignal | undefined;
}

/** Options with every default filled in. */
export interface DeviceSettings {
	readonly id: string;
	readonly segments: ClientSegmentCache;
	/** The segments are the device's own: it closes them. */
	readonly ownsSegments: boolean;
	readonly data: CheckedData | undefined;
	readonly store: WaitingStore | undefined;
	readonly endsWithProcess: boolean;
	readonly root: SignedDocument | undefined;
	readonly maxOutboxBytes: number;
	readonly maxOutboxAgeMs: number;
	readonly budgetBits: number | undefined;
	readonly noise: Pick<Random, "uniform">;
	/** When the device may work, and on how much at a time. */
	readonly gate: WorkGate;
	readonly clock: Clock;
	readonly random: Random;
	readonly dtypes: readonly WireDType[];
	readonly window: number;
	readonly maxMessageBytes: number;
	readonly answerTimeoutMs: number;
	readonly inferTimeoutMs: number;
	readonly agent: string;
}

/**
 * Checks options once.
 * @throws ConfigError `PSGL_DEVICE_OPTIONS`, `PSGL_BUDGET`; DataError `PSGL_DEVICE_NOT_FINITE`; ShapeError `PSGL_DEVICE_DATA`.
 */
export function parseOptions(options: CompleteOptions): DeviceSettings {
	const { transport, runtime, segments, kit } = options;
	if (kit !== undefined && (options.id !== undefined || options.url !== undefined)) {
		throw optionError("a kit names id and broker", "id or url besides", "the kit alone");
	}
	const { id = "", url } = kit ?? options;
	if (!deviceIdPattern.test(id)) {
		throw optionError("the device's id cannot be used", JSON.stringify(id), "1 to 64 letters, digits, _ or -");
	}
	if ((url === undefined) === (transport === undefined)) {
		throw optionError("a device needs one link", url === undefined ? "none" : "url and transport", "url or transport");
	}
	const maxMessageBytes = options.maxMessageBytes ?? protocolLimits.defaultMessageBytes;
	const { minMessageBytes, maxMessageBytes: most } = protocolLimits;
	if (!Number.isInteger(maxMessageBytes) || maxMessageBytes < minMessageBytes || maxMessageBytes > most) {
		throw optionError("maxMessageBytes is out of range", `${maxMessageBytes}`, `${minMessageBytes} to ${most}`);
	}
	const { window = protocolLimits.maxWindow } = options;
	if (!Number.isInteger(window) || window < 1 || window > protocolLimits.maxWindow) {
		throw optionError("window is out of range", `${window}`, `1 to ${protocolLimits.maxWindow} batches`);
	}
	const timeouts = {
		answerTimeoutMs: options.answerTimeoutMs ?? deviceTimes.answerTimeoutMs,
		inferTimeoutMs: options.inferTimeoutMs ?? 5_000,
		maxOutboxAgeMs: options.maxOutboxAgeMs ?? outboxLimits.maxOutboxAgeMs,
	};
	for (const [name, value] of Object.entries(timeouts)) {
		if (!(value > 0)) throw optionError(`${name} is out of range`, `${value}`, "milliseconds above 0");
	}
	const maxOutboxBytes = options.maxOutboxBytes ?? outboxLimits.maxOutboxBytes;
	if (!(maxOutboxBytes > 0)) throw optionError("maxOutboxBytes is out of range", `${maxOutboxBytes}`, "bytes above 0");
	const { budgetBits } = options;
	if (budgetBits !== undefined && !(budgetBits > 0)) {
		throw optionError("budgetBits is out of range", `${budgetBits}`, "bits above 0");
	}
	const clock = options.clock ?? systemClock;
	const budget = parseBudget(options.budget ?? {});
	const store = options.store && new WaitingStore({ store: options.store, clock });
	return {
		id,
		gate: new WorkGate({ budget, host: options.host, clock, storage: store }),
		segments: segments ?? new ClientSegmentCache({ runtime: withThreads(requireRuntime(runtime), budget.threads) }),
		ownsSegments: segments === undefined,
		data: options.data && checkData(options.data),
		store,
		endsWithProcess: options.endsWithProcess ?? false,
		root: options.root ?? kit?.root,
		maxOutboxBytes,
		budgetBits,
		noise: options.noise ?? { uniform: secureUniform },
		clock,
		random: options.random ?? seededRandom(crypto.getRandomValues(new Int32Array(1))[0] as number),
		dtypes: options.dtypes ?? wireDTypes,
		window,
		maxMessageBytes,
		...timeouts,
		agent: options.agent ?? "psgl",
	};
}

function requireRuntime(runtime: Runtime | undefined): Runtime {
	if (runtime !== undefined) return runtime;
	throw optionError("a device needs something to run its client segment", "neither", "runtime or segments");
}

function optionError(what: string, got: string, expected: string): ConfigError {
	return new ConfigError("PSGL_DEVICE_OPTIONS", {
		what,
		got,
		expected,
		remedy: "Change the options of Device.connect",
	});
}
