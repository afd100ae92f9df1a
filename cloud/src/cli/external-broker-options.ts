import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError } from "@psgl/sdk";
import { z } from "zod";
import type { ExternalBrokerOptions } from "../broker/external-broker.js";
import { type OptionValues, option } from "./options/option.js";

/** A broker that somebody else runs, instead of psgl's own. */
export const externalBrokerOptions = {
	broker: option(
		"URL",
		"Mosquitto, EMQX, HiveMQ or another broker that devices connect to instead of psgl's own: mqtt://10.0.0.5:1883 or mqtts:// (docs/deployment.md)",
		z
			.string()
			.regex(/^mqtts?:\/\/[^@/\s]+$/, "an mqtt:// or mqtts:// address, without a user")
			.optional(),
	),
	brokerUser: option(
		"NAME",
		"user this cloud is with that broker; its password is the first line of --broker-password",
		z.string().min(1).optional(),
	),
	brokerPassword: option("FILE", "file with that user's password", z.string().optional()),
	brokerTls: option(
		"DIR",
		"folder with ca.pem, cert.pem and key.pem for the connection with that broker",
		z.string().optional(),
	),
	brokerClient: option(
		"ID",
		"client id there; the broker keeps under it what devices publish while this cloud is away",
		z.string().min(1).max(64).default("psgl-cloud"),
	),
};

type Connection = Pick<ExternalBrokerOptions, "url" | "clientId" | "user" | "tls">;

interface OwnBrokerValues {
	readonly store?: string | undefined;
	readonly port?: number | undefined;
	readonly webSocketPort?: number | undefined;
	readonly webSocketOrigins?: string | undefined;
}

/** How to reach the external broker; undefined without `--broker`. @throws ConfigError `PSGL_BROKER_FILES`, `PSGL_OPTION_CONFLICT`. */
export async function externalBrokerConnection({
	broker: url,
	brokerUser,
	brokerPassword,
	brokerTls: folder,
	brokerClient: clientId,
	...own
}: OptionValues<typeof externalBrokerOptions> & OwnBrokerValues): Promise<Connection | undefined> {
	if (url === undefined) return undefined;
	for (const name of ["port", "webSocketPort", "webSocketOrigins"] as const) {
		if (own[name] !== undefined) throw conflict(name);
	}
	const password =
		brokerPassword === undefined ? "" : ((await readText(brokerPassword)).split(/\r?\n/, 1)[0] as string);
	const user = brokerUser === undefined ? undefined : { name: brokerUser, password };
	if (folder === undefined) return { url, clientId, user };
	const [ca, certificate, key] = await Promise.all([
		readText(join(folder, "ca.pem")),
		readText(join(folder, "cert.pem")),
		readText(join(folder, "key.pem")),
	]);
	return { url, clientId, user, tls: { ca, certificate, key } };
}

async function readText(file: string): Promise<string> {
	try {
		return await readFile(file, "utf8");
	} catch (cause) {
		throw new ConfigError("PSGL_BROKER_FILES", {
			what: `cannot read ${file}`,
			got: (cause as Error).message,
			remedy:
				"Name the password's file with --broker-password, and with --broker-tls a folder with ca.pem, cert.pem and key.pem",
			cause,
		});
	}
}

function conflict(name: string): ConfigError {
	return new ConfigError("PSGL_OPTION_CONFLICT", {
		what: "an external broker takes the place of psgl's own",
		got: `--broker with --${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`,
		remedy: "Leave one of the two away",
	});
}
