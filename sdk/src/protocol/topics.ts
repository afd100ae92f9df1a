/** `up`: device to aggregator. `down`: aggregator to device. `status`: retained, also the last will's topic. */
export const channels = ["up", "down", "status"] as const;

export type Channel = (typeof channels)[number];

const prefix = "psgl/1";

/** Ids a device may have: they become topic levels, file names and certificate names. */
export const deviceIdPattern = /^[A-Za-z0-9_-]{1,64}$/;

/** Topic of one device, for instance `psgl/1/ward-3/up`. */
export function deviceTopic(device: string, channel: Channel): string {
	return `${prefix}/${device}/${channel}`;
}

/** MQTT filter that matches one channel of every device. */
export function everyDevice(channel: Channel): string {
	return `${prefix}/+/${channel}`;
}

/** Takes a topic apart; undefined when it is none of psgl's. */
export function parseTopic(topic: string): { readonly device: string; readonly channel: Channel } | undefined {
	const [name, version, device, channel, ...rest] = topic.split("/");
	if (`${name}/${version}` !== prefix || rest.length > 0 || device === undefined || !deviceIdPattern.test(device)) {
		return undefined;
	}
	const known = channels.find((c) => c === channel);
	return known && { device, channel: known };
}
