/** The element with this id, checked against the class the caller expects: a renamed id fails at start, with its name. */
export function element<T extends Element>(id: string, kind: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`The page has no ${kind.name} with the id "${id}".`);
  return found;
}

/** Builds an element. Text goes in as text, never as markup. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Partial<HTMLElementTagNameMap[K]> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

/** Writes text only where it differs, so that a page updated many times a second causes no needless layout. */
export function setText(node: Element, text: string): void {
  if (node.textContent !== text) node.textContent = text;
}

/** The radio buttons of a fieldset, heard and set as one value. */
export class Choice<T extends string> {
  readonly #field: HTMLFieldSetElement;

  constructor(id: string, parse: (value: string) => T | undefined, changed: (value: T) => void) {
    this.#field = element(id, HTMLFieldSetElement);
    this.#field.addEventListener("change", (event) => {
      const value = event.target instanceof HTMLInputElement ? parse(event.target.value) : undefined;
      if (value !== undefined) changed(value);
    });
  }

  set value(value: T) {
    for (const input of this.#field.querySelectorAll("input")) input.checked = input.value === value;
  }
}

/** "9.99 MB", in decimal units as download dialogs use them. */
export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
}
