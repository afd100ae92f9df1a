/** How a link between a device and the broker behaves. */
export interface LinkModel {
	readonly title: string;
	/** Bits a second from the device. */
	readonly upBitsPerSecond: number;
	/** Bits a second to the device. */
	readonly downBitsPerSecond: number;
	/** Milliseconds one way. */
	readonly latencyMs: number;
	/** Milliseconds added to it, drawn anew for each message: the mean of an exponential distribution. */
	readonly jitterMs: number;
	/** Share of packets that are lost and sent again by TCP. */
	readonly loss: number;
	/** The link is there for `upMs` of every `periodMs`; undefined: always. */
	readonly duty: { readonly upMs: number; readonly periodMs: number } | undefined;
	/** Watts of the device's radio while something is on its way. */
	readonly radioWatts: number;
	/** Where the figures come from; what is not named there is assumed. */
	readonly source: string;
}

/** Kinds of links that scenarios name (docs/fleet.md). */
export const linkModels = {
	"ble-gateway": {
		title: "Bluetooth LE to a gateway",
		upBitsPerSecond: 700_000,
		downBitsPerSecond: 700_000,
		latencyMs: 40,
		jitterMs: 20,
		loss: 0.01,
		duty: undefined,
		radioWatts: 0.03,
		source:
			"about 0.7 of the 1 Mbit/s PHY left for data with long packets (Bluetooth Core 4.2, data length extension); assumption: the rest",
	},
	wifi: {
		title: "Wi-Fi",
		upBitsPerSecond: 20_000_000,
		downBitsPerSecond: 20_000_000,
		latencyMs: 5,
		jitterMs: 5,
		loss: 0.002,
		duty: undefined,
		radioWatts: 0.8,
		source: "assumption: a shared 2.4 GHz network in a building",
	},
	"4g": {
		title: "4G",
		upBitsPerSecond: 8_000_000,
		downBitsPerSecond: 25_000_000,
		latencyMs: 35,
		jitterMs: 20,
		loss: 0.005,
		duty: undefined,
		radioWatts: 1.5,
		source: "assumption: LTE category 4 in the field, a fraction of its 50 and 150 Mbit/s at most",
	},
	satellite: {
		title: "satellite, in passes",
		upBitsPerSecond: 400_000,
		downBitsPerSecond: 700_000,
		latencyMs: 300,
		jitterMs: 60,
		loss: 0.02,
		duty: { upMs: 600_000, periodMs: 5_400_000 },
		radioWatts: 4,
		source:
			"about the rates of a maritime L-band terminal (Iridium Certus 700: 352 and 704 kbit/s); assumption: the rest, with a view of the sky for ten minutes of an hour and a half",
	},
} as const satisfies Readonly<Record<string, LinkModel>>;

export type LinkModelName = keyof typeof linkModels;

export const linkModelNames = Object.keys(linkModels) as [LinkModelName, ...LinkModelName[]];
