// --- Pictures at full size. -------------------------------------------------------------------------------

const zoom = $("#zoom");
let gallery = [], pictured = 0;

function enlarge(number) {
  pictured = (number + gallery.length) % gallery.length;
  const image = $("img", zoom), original = gallery[pictured];
  image.src = original.src;
  image.alt = original.alt;
  image.classList.remove("actual");
  image.width = original.getAttribute("width");
  image.height = original.getAttribute("height");
  const fit = Math.min((innerWidth - 32) / image.width, (innerHeight - 80) / image.height);
  image.style.width = `${image.width * fit}px`;
  image.style.height = `${image.height * fit}px`;
  image.classList.toggle("grown", fit > 1);
  $("p", zoom).textContent =
    `${original.alt} · ${image.width}×${image.height} · shown at ${Math.round(100 * fit)} %`
    + (gallery.length > 1 ? ` · ${pictured + 1} of ${gallery.length}` : "");
  for (const button of $$("[data-by]", zoom)) button.hidden = gallery.length < 2;
  if (!zoom.open) { zoom.showModal(); zoom.focus(); } // not `autofocus`, which may come after another focus
}

function zoomFrom(picture) {
  gallery = $$(".picture img", picture.closest("#shown, .column, #group"));
  enlarge(gallery.indexOf($("img", picture)));
}

function toggleActual(image) {
  if (image.classList.contains("actual")) return enlarge(pictured);
  image.classList.add("actual");
  image.style.width = image.style.height = "";
}
