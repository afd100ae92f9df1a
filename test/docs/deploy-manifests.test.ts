import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { parseAllDocuments, parseDocument } from "yaml";
import { z } from "zod";
import { withPrograms } from "../helpers/outside-program.js";
import { projectFolder } from "../helpers/run-cli.js";
import { runProgram } from "../helpers/run-program.js";
import { temporaryFolder } from "../helpers/temporary-folder.js";

const deploy = join(projectFolder, "deploy");
const named = z.looseObject({ name: z.string() });
const labels = z.record(z.string(), z.string());

const container = named.extend({
	image: z.string(),
	ports: z.array(named.extend({ containerPort: z.int().positive() })).default([]),
	volumeMounts: z.array(named.extend({ mountPath: z.string().startsWith("/") })).default([]),
	envFrom: z.array(z.strictObject({ configMapRef: named })).default([]),
	readinessProbe: z.strictObject({ tcpSocket: z.strictObject({ port: z.string() }) }).optional(),
});

const workload = z.strictObject({
	apiVersion: z.literal("apps/v1"),
	kind: z.enum(["Deployment", "StatefulSet"]),
	metadata: named,
	spec: z.looseObject({
		replicas: z.int().positive(),
		serviceName: z.string().optional(),
		selector: z.strictObject({ matchLabels: labels }),
		template: z.strictObject({
			metadata: z.strictObject({ labels }),
			spec: z.looseObject({ containers: z.array(container).min(1), volumes: z.array(named) }),
		}),
		volumeClaimTemplates: z.array(z.looseObject({ metadata: named })).default([]),
	}),
});

const service = z.strictObject({
	apiVersion: z.literal("v1"),
	kind: z.literal("Service"),
	metadata: named,
	spec: z.looseObject({
		selector: labels,
		ports: z.array(z.strictObject({ name: z.string(), port: z.int(), targetPort: z.string().optional() })),
	}),
});

const disruptionBudget = z.strictObject({
	apiVersion: z.literal("policy/v1"),
	kind: z.literal("PodDisruptionBudget"),
	metadata: named,
	spec: z.strictObject({ minAvailable: z.int().positive(), selector: z.strictObject({ matchLabels: labels }) }),
});

const configMap = z.strictObject({
	apiVersion: z.literal("v1"),
	kind: z.literal("ConfigMap"),
	metadata: named,
	data: labels,
});

const manifest = z.discriminatedUnion("kind", [workload, service, disruptionBudget, configMap]);

test("the manifests for Kubernetes fit one another: selectors, ports, volumes, options", async (t) => {
	const files = await Promise.all(
		["nats.yaml", "psgl.yaml"].map((name) => readFile(join(deploy, "kubernetes", name), "utf8")),
	);
	const documents = files.flatMap((text) => parseAllDocuments(text, { strict: true }));
	t.deepEqual(
		documents.flatMap(({ errors, warnings }) => [...errors, ...warnings]),
		[],
	);
	const manifests = documents.map((document) => manifest.parse(document.toJS()));
	const workloads = manifests.filter(({ kind }) => kind === "Deployment" || kind === "StatefulSet") as z.infer<
		typeof workload
	>[];
	const key = (value: object) => JSON.stringify(value);
	const byLabels = new Map(workloads.map((each) => [key(each.spec.template.metadata.labels), each]));
	t.is(byLabels.size, 4, "nobody selects the pods of another");
	const configMaps = new Set(manifests.filter(({ kind }) => kind === "ConfigMap").map(({ metadata }) => metadata.name));
	for (const { metadata, spec } of workloads) {
		t.deepEqual(spec.selector.matchLabels, spec.template.metadata.labels, metadata.name);
		const volumes = [...spec.template.spec.volumes, ...spec.volumeClaimTemplates.map((claim) => claim.metadata)];
		const mounted = spec.template.spec.containers.flatMap(({ volumeMounts }) => volumeMounts.map(({ name }) => name));
		t.deepEqual(mounted.toSorted(), volumes.map(({ name }) => name).toSorted(), metadata.name);
		for (const { ports, readinessProbe, envFrom } of spec.template.spec.containers) {
			const probed = readinessProbe?.tcpSocket.port;
			t.true(probed === undefined || ports.some(({ name }) => name === probed), metadata.name);
			for (const { configMapRef } of envFrom) t.true(configMaps.has(configMapRef.name), configMapRef.name);
		}
	}
	for (const each of manifests) {
		if (each.kind === "PodDisruptionBudget") {
			const kept = byLabels.get(key(each.spec.selector.matchLabels));
			t.true(kept !== undefined && each.spec.minAvailable < kept.spec.replicas, each.metadata.name);
		}
		if (each.kind !== "Service") continue;
		const ports = byLabels.get(key(each.spec.selector))?.spec.template.spec.containers.flatMap((c) => c.ports) ?? [];
		for (const { name, port, targetPort } of each.spec.ports) {
			t.true(
				ports.some((open) => (targetPort === undefined ? open.containerPort === port : open.name === targetPort)),
				`${each.metadata.name}: ${name}`,
			);
		}
	}
	const set = workloads.find(({ kind }) => kind === "StatefulSet");
	t.true(manifests.some(({ kind, metadata }) => kind === "Service" && metadata.name === set?.spec.serviceName));
});

const composeService = z.looseObject({
	image: z.string().optional(),
	build: z.string().optional(),
	volumes: z.array(z.string()),
	depends_on: z.array(z.string()).default([]),
});

test("the Compose file is one: each service has an image, the volumes and services it names are there", async (t) => {
	const document = parseDocument(await readFile(join(deploy, "compose", "compose.yaml"), "utf8"), { merge: true });
	t.deepEqual([...document.errors, ...document.warnings], []);
	const { services, volumes } = z
		.looseObject({ services: z.record(z.string(), composeService), volumes: z.record(z.string(), z.null()) })
		.parse(document.toJS());
	t.is(Object.keys(services).length, 9);
	for (const [name, { image, build, volumes: mounts, depends_on: awaited }] of Object.entries(services)) {
		t.true((image === undefined) !== (build === undefined), name);
		for (const mount of mounts) {
			const [from = ""] = mount.split(":");
			t.true(from.startsWith(".") || from in volumes, `${name}: ${mount}`);
		}
		for (const other of awaited) t.true(other in services, `${name}: ${other}`);
	}
});

withPrograms("systemd-analyze")("the units are what systemd takes, but for the program that is not here", async (t) => {
	const folder = await temporaryFolder(t);
	for (const name of ["psgl-ingress.service", "psgl-aggregator.service", "psgl-web.service"]) {
		const unit = await readFile(join(deploy, "systemd", name), "utf8");
		const file = join(folder, name);
		await writeFile(file, unit.replace("/usr/bin/psgl", process.execPath));
		const { stderr } = await runProgram("systemd-analyze", ["verify", "--man=no", file]);
		t.deepEqual(
			stderr.split("\n").filter((line) => line.includes(name)),
			[],
		);
		await writeFile(
			file,
			unit.replace("/usr/bin/psgl", process.execPath).replace("KillSignal=SIGINT", "KillSignal=INT?"),
		);
		const wrong = await runProgram("systemd-analyze", ["verify", "--man=no", file]);
		t.regex(wrong.stderr, /KillSignal|signal/i, "it says so when a unit is wrong");
	}
});
