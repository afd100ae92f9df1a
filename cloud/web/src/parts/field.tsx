import type { ComponentChildren, JSX } from "preact";
import { useId } from "preact/hooks";

interface FieldProps extends Omit<JSX.InputHTMLAttributes<HTMLInputElement>, "id"> {
	readonly label: string;
	readonly hint?: ComponentChildren;
}

/** A labelled input with what to know about it below. */
export function Field({ label, hint, ...input }: FieldProps) {
	const id = useId();
	return (
		<div class="field">
			<label for={id}>{label}</label>
			<input id={id} aria-describedby={hint === undefined ? undefined : `${id}-hint`} {...input} />
			{hint !== undefined && (
				<p id={`${id}-hint`} class="muted small">
					{hint}
				</p>
			)}
		</div>
	);
}
