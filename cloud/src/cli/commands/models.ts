import { z } from "zod";
import { option, toggle } from "../options/option.js";
import { storePlaceOptions } from "../store-options.js";
import { defineVerb, type Verb } from "../verb.js";

const roots = option("DIR", "folder of the roots of signed models", z.string().default("psgl-models"));
const names = z.string().regex(/^[\w-]{1,64}(,[\w-]{1,64})*$/, "names of letters, digits, _ or -, with commas between");
const keys = option("FILES", "private keys that sign, with commas between", z.string());
const days = (what: string, preset: number) =>
	option("N", `days ${what} is valid`, z.int().min(1).max(36_500).default(preset));

const initVerb = defineVerb({
	name: "models init",
	summary: "make the keys that sign models, and the first root",
	description:
		"Makes an Ed25519 key for each signer, SIGNER.key, and roots.json, which names them and says how many have to sign. Give each signer their key and remove it here; the start-up kits carry the root (psgl provision device --roots).",
	options: {
		roots,
		signers: option("NAMES", "who signs, with commas between", names),
		threshold: option("N", "signers that have to sign a model, or the next root", z.int().min(1).max(32).default(1)),
		days: days("the root", 365),
	},
	examples: [
		{ command: "psgl models init --signers ann,bob,eve --threshold 2", does: "any two of three sign" },
		{ command: "psgl models init --signers ann", does: "one signs" },
	],
	run: async (options, context) => (await import("./run-models.js")).runModelsInit(options, context),
});

const signVerb = defineVerb({
	name: "models sign",
	summary: "sign a model for devices",
	description:
		"Puts a release into an artifact: digest, size, counter and expiry of the client half, signed. psgl cloud sends it along and needs no key. Training makes another model: sign the result again before it is served.",
	options: {
		artifact: option("FILE", "joint artifact to sign", z.string()),
		roots,
		key: keys,
		counter: option(
			"N",
			"number of the release; devices take none below one they had (default: seconds since 1970)",
			z.int().min(1).optional(),
		),
		days: days("the release", 90),
		join: toggle("sign the release that is there, after another signer"),
		output: option("FILE", "where the signed artifact goes (default: over --artifact)", z.string().optional(), "-o"),
	},
	examples: [
		{ command: "psgl models sign --artifact chest.psgl --key psgl-models/ann.key,psgl-models/bob.key", does: "both" },
		{ command: "psgl models sign --artifact chest.psgl --key bob.key --join", does: "bob, after ann, elsewhere" },
	],
	run: async (options, context) => (await import("./run-models.js")).runModelsSign(options, context),
});

const rotateVerb = defineVerb({
	name: "models rotate",
	summary: "change who signs models, or renew the root",
	description:
		"Makes the next root, signed by the threshold of the one before and by its own. Devices follow it with the next model that is signed. A key that was lost or stolen is removed here.",
	options: {
		roots,
		key: keys,
		add: option("NAMES", "new signers, with commas between; each gets a key", names.optional()),
		remove: option("NAMES", "signers that no longer sign, with commas between", names.optional()),
		threshold: option(
			"N",
			"signers that have to sign from now on (default: as before)",
			z.int().min(1).max(32).optional(),
		),
		days: days("the root", 365),
	},
	examples: [
		{ command: "psgl models rotate --key ann.key,bob.key --remove eve --add kim", does: "kim in place of eve" },
		{ command: "psgl models rotate --key ann.key,bob.key", does: "another year" },
	],
	run: async (options, context) => (await import("./run-models.js")).runModelsRotate(options, context),
});

const rolloutVerb = defineVerb({
	name: "models rollout",
	summary: "give a new model to part of the fleet, then to more, or take it back",
	description:
		"Orders for a psgl cloud --rounds 0 that runs on the same state folder, or for the processes of one on NATS: so many per cent of the devices get another model than the one it serves. Taken back by itself when it fails on too many of them (docs/security.md). The roll-out is in the state folder, or on NATS, and outlasts restarts.",
	options: {
		state: option("DIR", "state folder of the cloud; not used with --store", z.string().default("psgl-state")),
		...storePlaceOptions,
		artifact: option("FILE", "model that is served, to begin a roll-out with --store", z.string().optional()),
		candidate: option("FILE", "joint artifact to roll out; begins a roll-out", z.string().optional()),
		percentage: option("N", "per cent of the devices that get it from now on", z.int().min(0).max(100).optional()),
		halt: toggle("no further device gets it; those that have it keep it. --percentage goes on"),
		rollback: toggle("every device gets the model that is served back"),
		wait: option("SECONDS", "how long to wait for the cloud's answer", z.number().min(0).max(3600).default(15)),
	},
	examples: [
		{
			command: "psgl models rollout --candidate chest-2.psgl --percentage 10",
			does: "begin with a tenth of the devices",
		},
		{ command: "psgl models rollout --percentage 50", does: "go on to half of them" },
		{ command: "psgl models rollout", does: "see how it stands" },
		{ command: "psgl models rollout --rollback", does: "take it back everywhere" },
		{
			command:
				"psgl models rollout --store nats://n1:4222 --artifact chest.psgl --candidate chest-2.psgl --percentage 10",
			does: "begin one of a cloud on NATS",
		},
	],
	run: async (options, context) => (await import("./run-models-rollout.js")).runModelsRollout(options, context),
});

/** `psgl models …`: which models devices take. */
export const modelsVerbs: readonly Verb[] = [initVerb, signVerb, rotateVerb, rolloutVerb];
