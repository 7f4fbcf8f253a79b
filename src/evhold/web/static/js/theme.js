// Runs before the first paint: the theme that the reader chose, if they did.
try {
  const kept = localStorage.getItem('theme');
  if (kept === 'light' || kept === 'dark') document.documentElement.dataset.theme = kept;
} catch {
  // No storage: the system's choice it is.
}
