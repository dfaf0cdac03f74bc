/** A filter takes effect when it is chosen; without this script its form has a button. */
export function applyFilters(): void {
  const form = document.querySelector<HTMLFormElement>("form[data-filters]");
  form?.addEventListener("change", () => form.requestSubmit());
}

/** A form that was taken starts empty again. */
export function resetForms(): void {
  document.addEventListener("htmx:after:swap", (event) => {
    const source = event.detail.ctx.sourceElement;
    if (source instanceof HTMLFormElement && "reset" in source.dataset) source.reset();
  });
}
