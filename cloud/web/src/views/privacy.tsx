import type { Audit } from "../api.js";
import { count, figure, moment, percent } from "../format.js";
import { AttackBars } from "../parts/attack-bars.js";
import { Card } from "../parts/card.js";
import { Table } from "../parts/table.js";
import { Tile, Tiles } from "../parts/tile.js";
import { useResource } from "../use-resource.js";
import { Disclosures } from "./disclosures.js";
import { PictureGrid } from "./picture-grid.js";

/** What leaks: the latest audit, and what each device has released. */
export function Privacy() {
	const { value: latest, failure } = useResource("/privacy/audit");
	const { value: shown } = useResource("/privacy/pictures");
	return (
		<>
			{latest === undefined ? (
				failure !== undefined && (
					<Card title="Audit" wide>
						<p class="muted">
							There is no audit in the state folder. <code>psgl audit MODEL --data SET -o STATE/audit.html</code>{" "}
							attacks what devices send and leaves one.
						</p>
					</Card>
				)
			) : (
				<AuditFigures at={latest.at} audit={latest.audit} />
			)}
			{latest !== undefined && shown !== undefined && shown.pictures.sha256 === latest.audit.origin.artifact.sha256 && (
				<Card title="What was, what leaves, what comes back" wide>
					<PictureGrid pictures={shown.pictures} />
				</Card>
			)}
			<Card title="Released by devices" wide>
				<Disclosures audit={latest?.audit} />
			</Card>
		</>
	);
}

function AuditFigures({ at, audit }: { at: string; audit: Audit }) {
	const { origin, leak, leakBeyondLabel, release, utility } = audit;
	return (
		<>
			<Tiles>
				<Tile
					name="Leak"
					value={figure(leak, 2)}
					note="0 as the mean sample, 1 as without a defence"
					tone={toneOf(leak)}
				/>
				<Tile
					name="Leak beyond the label"
					value={figure(leakBeyondLabel, 2)}
					note="0 no more than the label tells"
					tone={toneOf(leakBeyondLabel)}
				/>
				<Tile name="Bits of a release" value={count(release.bits)} note={`${count(release.values)} numbers`} />
				{utility !== undefined && (
					<Tile
						name="Balanced accuracy"
						value={percent(utility.balancedAccuracy)}
						note={`undefended ${percent(utility.undefended)}`}
					/>
				)}
			</Tiles>
			<Card title="How near attacks come" wide aside={<span class="muted small">audited {moment(at)}</span>}>
				<AttackBars audit={audit} />
				<p class="muted small about">
					{audit.victims} victims of {origin.data}, {count(audit.attackerSamples)} samples of the attacker; budget{" "}
					{origin.budget}. Model {origin.artifact.name} version {origin.artifact.version}.
					{!audit.complete && " Interrupted: attacks are missing, and they may find more."} An audit shows what these
					attacks find; it proves no bound.
				</p>
				{audit.inferences.length > 0 && (
					<Table
						label="What else is learned"
						rows={audit.inferences}
						keyOf={({ name }) => name}
						empty=""
						columns={[
							{ title: "What else is learned", cell: ({ name }) => name },
							{ title: "Found", number: true, cell: ({ value }) => figure(value) },
							{ title: "Undefended", number: true, cell: ({ undefended }) => figure(undefended) },
							{ title: "By guessing", number: true, cell: ({ chance }) => figure(chance) },
						]}
					/>
				)}
			</Card>
		</>
	);
}

function toneOf(leak: number | null): "good" | "warn" | "bad" | undefined {
	if (leak === null) return undefined;
	return leak <= 0.1 ? "good" : leak <= 0.35 ? "warn" : "bad";
}
