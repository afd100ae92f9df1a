import { deviceIdPattern } from "@psgl/sdk/protocol";
import { z } from "zod";
import { option, toggle } from "../options/option.js";
import { defineVerb, type Verb } from "../verb.js";

const pki = option("DIR", "folder of the certificate authority", z.string().default("psgl-pki"));
const id = option("ID", "name of the device", z.string().regex(deviceIdPattern, "1 to 64 letters, digits, _ or -"));
const days = (what: string, preset: number) =>
	option("N", `days ${what} is valid`, z.int().min(1).max(36_500).default(preset));

const initVerb = defineVerb({
	name: "provision init",
	summary: "make a certificate authority and the broker's certificate",
	description:
		"Makes a certificate authority in a folder of its own, and a certificate for the broker, for psgl cloud --pki. Keep ca.key where only those can read it who may enrol devices; the broker needs broker.crt, broker.key, ca.crt and ca.crl only.",
	options: {
		pki,
		host: option(
			"NAMES",
			"names and addresses devices reach the broker by, separated by commas",
			z.string().default("localhost,127.0.0.1,::1"),
		),
		name: option("NAME", "name of the authority, shown in certificates", z.string().min(1).max(64).default("psgl")),
		authorityDays: days("the authority's certificate", 3650),
		days: days("the broker's certificate", 397),
		renew: toggle("keep the authority, make the broker a new key and certificate"),
	},
	examples: [
		{ command: "psgl provision init --host cloud.example,10.0.0.5", does: "an authority, and a broker of two names" },
		{ command: "psgl provision init --host cloud.example --renew", does: "another year for the broker" },
	],
	run: async (options, context) => (await import("./run-provision.js")).runProvisionInit(options, context),
});

const deviceKitVerb = defineVerb({
	name: "provision device",
	summary: "make the start-up kit of one device",
	description:
		"Gives a device a certificate and writes its start-up kit, for psgl device --kit. With --request the certificate is for a key that never left the device; without it the key is made here and lies in the kit.",
	options: {
		pki,
		id,
		url: option("URL", "broker as the device reaches it", z.string().default("mqtts://localhost:8883")),
		request: option("FILE", "certificate request made by psgl provision request on the device", z.string().optional()),
		days: days("the certificate", 365),
		roots: option(
			"DIR",
			"folder made by psgl models init: the device then takes only models its signers signed",
			z.string().optional(),
		),
		renew: toggle("give another certificate although the device has a valid one"),
		output: option("FILE", "where the kit goes (default: ID.kit.json)", z.string().optional(), "-o"),
	},
	examples: [
		{ command: "psgl provision device --id ward-3 --url mqtts://cloud.example:8883", does: "a kit with a key" },
		{
			command: "psgl provision device --id ward-3 --request ward-3.csr --url mqtts://cloud.example:8883",
			does: "a kit for the key the device made itself",
		},
	],
	run: async (options, context) => (await import("./run-provision.js")).runProvisionDevice(options, context),
});

const requestVerb = defineVerb({
	name: "provision request",
	summary: "on the device: make its key and ask for a certificate",
	description:
		"Makes the device's private key, ID.key, and a request for a certificate of it, ID.csr. Take the request to the authority; the key stays.",
	options: { id, output: option("DIR", "folder for both files", z.string().default("."), "-o") },
	examples: [{ command: "psgl provision request --id ward-3", does: "ward-3.key and ward-3.csr" }],
	run: async (options, context) => (await import("./run-provision.js")).runProvisionRequest(options, context),
});

const revokeVerb = defineVerb({
	name: "provision revoke",
	summary: "shut a device out",
	description:
		"Revokes the device's certificates. A broker that reads this folder disconnects it within seconds; for a broker elsewhere, copy ca.crl there.",
	options: {
		pki,
		id,
		reason: option("TEXT", "why, for the list", z.string().max(200).default("revoked by the operator")),
	},
	examples: [{ command: 'psgl provision revoke --id ward-3 --reason "lost in transport"', does: "ward-3 stays out" }],
	run: async (options, context) => (await import("./run-provision.js")).runProvisionRevoke(options, context),
});

const listVerb = defineVerb({
	name: "provision list",
	summary: "every device certificate, when it expires, and whether it is revoked",
	description: "Lists every certificate the authority gave a device, by device and expiry.",
	options: { pki },
	examples: [{ command: "psgl provision list", does: "all of them" }],
	run: async (options, context) => (await import("./run-provision.js")).runProvisionList(options, context),
});

/** `psgl provision …`: who may connect. */
export const provisionVerbs: readonly Verb[] = [initVerb, deviceKitVerb, requestVerb, revokeVerb, listVerb];
