import { useId, useState } from "preact/hooks";
import { act, Refused } from "../api.js";
import { bytes, moment } from "../format.js";
import { Failure } from "../parts/failure.js";
import { Field } from "../parts/field.js";
import { useResource } from "../use-resource.js";

/** Chooses a candidate out of the folder on the cloud's machine, and the share of the devices that gets it first. */
export function RolloutStart({ onDone }: { onDone: () => void }) {
	const { value } = useResource("/rollout/candidates", ["models"]);
	const [failure, setFailure] = useState<Refused>();
	const id = useId();
	if (value === undefined) return null;
	const { candidates } = value;
	if (candidates.length === 0) {
		return (
			<p class="muted">
				Copy a joint artifact into the folder <code>candidates</code> of the cloud's state folder to begin one here, or
				use <code>psgl models rollout --candidate FILE --percentage 5</code>.
			</p>
		);
	}
	const submit = async (event: SubmitEvent) => {
		event.preventDefault();
		const form = new FormData(event.currentTarget as HTMLFormElement);
		const body = { candidate: form.get("candidate"), percentage: Number(form.get("percentage")) };
		try {
			setFailure(undefined);
			await act("POST", "/rollout/start", body);
			onDone();
		} catch (error) {
			if (error instanceof Refused) setFailure(error);
		}
	};
	return (
		<form class="row orders" onSubmit={submit}>
			<div class="field">
				<label for={id}>Candidate</label>
				<select id={id} name="candidate">
					{candidates.map(({ file, bytes: size, at }) => (
						<option key={file} value={file}>
							{file}, {bytes(size)}, {moment(at)}
						</option>
					))}
				</select>
			</div>
			<Field
				label="Per cent of the devices first"
				name="percentage"
				type="number"
				min={0}
				max={100}
				required
				defaultValue="5"
			/>
			<button type="submit" class="solid">
				Begin
			</button>
			<Failure of={failure} />
		</form>
	);
}
