import type { FleetRecord, GroupTotals, Invariant } from "@psgl/firmware-sim";
import { escaped, htmlTable } from "../audit-report/html.js";
import { compact, duration, lagChart } from "./lag-chart.js";
import { reportStyle } from "./report-style.js";
import { timeChart } from "./time-chart.js";

const hourMs = 3_600_000;
const joulesPerWattHour = 3600;

/** The report of a run of a scenario: one page of HTML that loads nothing. @param command the command line that makes it again */
export function fleetReport(record: FleetRecord, command: string): string {
	const title = `Fleet simulation: ${record.scenario}`;
	const broken = record.invariants.filter(({ holds }) => !holds);
	const body = [
		`<header><h1>${escaped(title)}</h1><p>${escaped(record.description)}</p></header>`,
		verdict(broken),
		headlines(record),
		`<section class="charts">${charts(record).join("\n")}</section>`,
		`<h2>Invariants</h2>${invariantTable(record.invariants)}`,
		`<h2>Groups</h2>${groupTable(record)}`,
		`<h2>What happened besides</h2>${events(record)}`,
		`<h2>How to read this</h2>${reading(record)}`,
		`<footer><code>${escaped(command)}</code></footer>`,
	];
	const head = `<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark"><title>${escaped(title)}</title><style>${reportStyle}</style>`;
	return `<!doctype html>\n<html lang="en"><head>${head}</head><body><main>\n${body.join("\n")}\n</main></body></html>\n`;
}

function verdict(broken: readonly Invariant[]): string {
	if (broken.length === 0) return '<p class="verdict good"><b>All invariants hold.</b></p>';
	const names = broken.map(({ title, value, limit }) => `${title}: ${figure(value)}, limit ${figure(limit)}`);
	return `<p class="verdict bad"><b>${broken.length === 1 ? "An invariant is" : `${broken.length} invariants are`} broken:</b> ${escaped(names.join("; "))}</p>`;
}

function headlines(record: FleetRecord): string {
	const { rounds, counts, samples } = record;
	const last = samples.at(-1);
	const accuracy = rounds.findLast((round) => round.accuracy !== undefined)?.accuracy;
	const joules = last?.joules ?? 0;
	const boxes: readonly (readonly [string, string, string])[] = [
		[
			"devices",
			record.devices.toLocaleString("en-US"),
			`${record.hours >= 48 ? `${figure(record.hours / 24)} days` : `${figure(record.hours)} hours`}, ${record.mode === "virtual" ? "virtual time" : "over real MQTT"}`,
		],
		["accuracy", accuracy === undefined ? "–" : `${(100 * accuracy).toFixed(1)} %`, `after ${rounds.length} rounds`],
		["batches", compact(counts.applied), `took effect; ${compact(counts.refused)} refused`],
		["bytes", bytes((last?.bytesUp ?? 0) + (last?.bytesDown ?? 0)), "on the wire, both ways"],
		[
			"energy",
			joules > 0 ? energy(joules) : "–",
			joules > 0 ? "of all devices, estimated" : "not estimated over real MQTT",
		],
	];
	const cards = boxes.map(
		([name, value, note]) => `<div><span>${name}</span><b>${escaped(value)}</b><span>${escaped(note)}</span></div>`,
	);
	return `<section class="cards">${cards.join("")}</section>`;
}

function charts(record: FleetRecord): string[] {
	const { hours, samples, rounds, invariants } = record;
	const curve = (of: (sample: FleetRecord["samples"][number]) => number) =>
		samples.map((sample) => [sample.at / hourMs, of(sample)] as const);
	const learned = rounds.flatMap(({ endedAt, accuracy }) =>
		accuracy === undefined ? [] : [[endedAt / hourMs, accuracy] as const],
	);
	const percent = (value: number) => `${Math.round(100 * value)} %`;
	const least = invariants.find(({ name }) => name === "leastAccuracy");
	const links = Object.entries(record.lags).sort(([a], [b]) => (a < b ? -1 : 1));
	const coloured = links.map(([name, counts], i) => ({ name, counts, colour: ((i % 4) + 1) as 1 | 2 | 3 | 4 }));
	const figures = [
		{
			title: "Accuracy",
			picture:
				learned.length === 0
					? '<p class="none">Nothing was learned in this run.</p>'
					: timeChart([{ name: "accuracy", points: learned, colour: 1, marks: true }], {
							title: "accuracy over time",
							hours,
							top: 1,
							text: percent,
							level: least && { value: least.limit, name: "least" },
						}),
			legend: [],
		},
		{
			title: "Devices on line",
			picture: timeChart([{ name: "on line", points: curve(({ online }) => online), colour: 1, filled: true }], {
				title: "devices on line over time",
				hours,
				text: compact,
			}),
			legend: [],
		},
		{
			title: "Answers to batches by how long they took",
			picture:
				links.length === 0 ? '<p class="none">No batch was answered.</p>' : lagChart(coloured, record.lagEdgesMs),
			legend: coloured,
		},
		{
			title: "Bytes on the wire",
			picture: timeChart(
				[
					{ name: "up", points: curve(({ bytesUp }) => bytesUp), colour: 1 },
					{ name: "down", points: curve(({ bytesDown }) => bytesDown), colour: 2 },
				],
				{ title: "bytes until then over time", hours, text: bytes },
			),
			legend: [
				{ name: "from devices", colour: 1 },
				{ name: "to devices", colour: 2 },
			],
		},
		{
			title: "Energy of all devices, estimated",
			picture:
				record.mode === "virtual"
					? timeChart(
							[{ name: "energy", points: curve(({ joules }) => joules / joulesPerWattHour), colour: 3, filled: true }],
							{
								title: "energy until then over time",
								hours,
								text: wattHoursText,
							},
						)
					: '<p class="none">Not estimated over real MQTT: these devices ran on this machine.</p>',
			legend: [],
		},
		{
			title: "Devices of each round",
			picture: timeChart(
				[
					{ name: "told to begin", points: rounds.map((r) => [r.endedAt / hourMs, r.devices] as const), colour: 4 },
					{
						name: "weights arrived",
						points: rounds.map((r) => [r.endedAt / hourMs, r.trained] as const),
						colour: 1,
						marks: true,
					},
				],
				{ title: "devices that trained in each round", hours, text: compact },
			),
			legend: [
				{ name: "told to begin", colour: 4 },
				{ name: "weights arrived", colour: 1 },
			],
		},
	];
	return figures.map(({ title, picture, legend }) => {
		const keys = legend.map(({ name, colour }) => `<span><i class="key c${colour}"></i>${escaped(name)}</span>`);
		return `<figure><figcaption>${escaped(title)}${keys.length > 0 ? `<span class="legend">${keys.join("")}</span>` : ""}</figcaption>${picture}</figure>`;
	});
}

function invariantTable(invariants: readonly Invariant[]): string {
	const rows = invariants.map(
		({ title, value, limit, holds }) =>
			`<tr><td>${escaped(title)}</td><td>${figure(value)}</td><td>${figure(limit)}</td><td class="${holds ? "pass" : "fail"}">${holds ? "✓ holds" : "✗ broken"}</td></tr>`,
	);
	return `<div class="wide"><table><thead><tr><th>what</th><th>found</th><th>limit</th><th></th></tr></thead><tbody>${rows.join("")}</tbody></table></div>`;
}

function groupTable({ groups, hours, mode }: FleetRecord): string {
	const row = ([name, group]: readonly [string, GroupTotals]) => [
		name,
		group.devices.toLocaleString("en-US"),
		`${Math.round((100 * group.onlineMs) / (group.devices * hours * hourMs))} %`,
		group.batches.toLocaleString("en-US"),
		bytes(group.bytesUp / group.devices),
		bytes(group.bytesDown / group.devices),
		mode === "virtual" ? energy(group.joules / group.devices) : "–",
		group.restarts.toLocaleString("en-US"),
		group.powerLosses.toLocaleString("en-US"),
	];
	const head = [
		"group",
		"devices",
		"on line",
		"batches",
		"up, each",
		"down, each",
		"energy, each",
		"restarts",
		"power losses",
	];
	return `<div class="wide">${htmlTable(head, Object.entries(groups).map(row))}</div>`;
}

function events({ events: counted, counts, rounds }: FleetRecord): string {
	const all = { ...counts, timesLeftBehind: rounds.reduce((sum, { leftBehind }) => sum + leftBehind, 0), ...counted };
	const cells = Object.entries(all).map(
		([name, value]) => `<div><span>${escaped(words(name))}</span><b>${value.toLocaleString("en-US")}</b></div>`,
	);
	return `<div class="events">${cells.join("")}</div>`;
}

function reading({ learning, calibration, mode, rounds }: FleetRecord): string {
	const times =
		calibration === undefined
			? []
			: [
					`A step takes ${calibration.forwardMs} ms forward and ${calibration.backwardMs} ms back on the machine of the calibration (${calibration.machine}), times the factor of a device's profile; the aggregator's step ${calibration.serverStepMs} ms for a full group, reading a batch ${calibration.messageMs} ms.`,
				];
	const longest = Math.max(0, ...rounds.map(({ startedAt, endedAt }) => endedAt - startedAt));
	const lines = [
		`Accuracy: ${learning}.`,
		...times,
		mode === "virtual"
			? "Virtual time: who takes part, credits, exactly-once effects, limits, back-off and outboxes follow the rules of the real programs; links, power and batteries are models. Energy is powers of the profiles times simulated times. Nothing here was measured on a device."
			: "Real MQTT: production devices on real connections through a proxy that shapes each link, broker and aggregator as psgl cloud runs them. Computing took the time it takes on this machine.",
		`The longest round took ${duration(longest)}. Pings, and questions of devices that wait, are counted in bytes by their number in the time.`,
	];
	const shown = mode === "virtual" ? lines : lines.slice(0, -1);
	return shown.map((line) => `<p>${escaped(line)}</p>`).join("");
}

function words(name: string): string {
	if (name.startsWith("PSGL_")) return name;
	return name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

function figure(value: number): string {
	return Number(value.toFixed(4)).toLocaleString("en-US", { maximumFractionDigits: 4 });
}

function bytes(value: number): string {
	const units = ["B", "kB", "MB", "GB", "TB"];
	const power = value < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(value) / 3));
	const scaled = value / 1000 ** power;
	return `${Number(scaled.toFixed(scaled < 10 ? 1 : 0))} ${units[power]}`;
}

function energy(joules: number): string {
	return wattHoursText(joules / joulesPerWattHour);
}

function wattHoursText(wattHours: number): string {
	if (wattHours < 1000) return `${Number(wattHours.toFixed(wattHours < 10 ? 1 : 0))} Wh`;
	const kilo = wattHours / 1000;
	return kilo < 1000 ? `${Number(kilo.toFixed(kilo < 10 ? 1 : 0))} kWh` : `${Number((kilo / 1000).toFixed(1))} MWh`;
}
