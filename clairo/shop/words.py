"""The shop's words: what a theme and a kind sound like, and what says nothing at all.

No word names a colour or a pattern, so that the text cannot tell an item's look. Themes share no words.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Theme:
    """A taste that shows in words alone: an item takes some of the words, never all."""

    name: str
    brands: tuple[str, ...]
    categories: tuple[str, ...]
    words: tuple[str, ...]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _theme(name: str, brands: str, categories: str, words: str) -> Theme:
    return Theme(name, _words(brands), tuple(categories.split(", ")), _words(words))


THEMES = (
    _theme(
        "sailing",
        "Windlass Harbourline Tidewater Mainstay",
        "Sailing, Boating & Yachts, Nautical Sports",
        "sail mast rigging jib halyard keel rudder anchor mooring dinghy yacht spinnaker",
    ),
    _theme(
        "gardening",
        "Thumbleaf Rootwell Potterton Hedgerow",
        "Gardening, Lawn & Borders, Outdoor Planting",
        "garden seedling compost trowel pruning shears flowerbed soil hoe watering mulch perennial",
    ),
    _theme(
        "astronomy",
        "Zenithal Farsight Meridiem Skyward",
        "Astronomy, Telescopes & Mounts, Night Sky",
        "telescope eyepiece galaxy nebula stargazing lunar planet constellation orbit refractor comet meteor",
    ),
    _theme(
        "baking",
        "Crumbly Hearthside Risewell Millstone",
        "Baking, Bread & Pastry, Home Bakery",
        "dough flour cake pastry whisk oven sourdough icing fondant bread baguette muffin",
    ),
    _theme(
        "cycling",
        "Velomark Spokesmith Cadence Tourmalet",
        "Cycling, Bikes & Parts, Road Riding",
        "bicycle pedal derailleur handlebar spoke crankset tyre cassette peloton cyclist brake chainring",
    ),
    _theme(
        "fishing",
        "Riverbend Castaway Anglerest Stillwater",
        "Fishing, Angling & Bait, Lakes and Rivers",
        "angler lure bait reel trout tackle hook bobber casting sinker lake carp",
    ),
    _theme(
        "pottery",
        "Kilnworks Mudlark Throwell Claymoor",
        "Pottery, Ceramics & Kilns, Studio Clay",
        "clay kiln glaze ceramic stoneware earthenware porcelain bisque slipware throwing vase potter",
    ),
    _theme(
        "beekeeping",
        "Combfield Nectary Skepwell Drumble",
        "Beekeeping, Hives & Apiaries, Honey Making",
        "hive honeycomb beekeeper apiary smoker swarm queen brood nectar beeswax pollen extractor",
    ),
    _theme(
        "knitting",
        "Purlwise Skeinery Woolcott Fleecemill",
        "Knitting, Yarn & Crochet, Needlecraft",
        "yarn needle wool crochet skein cardigan purl stitch merino sock loom scarf",
    ),
    _theme(
        "climbing",
        "Cragmaster Belaywell Highledge Cairnway",
        "Climbing, Ropes & Harnesses, Mountaineering",
        "carabiner harness belay crag boulder rope cam quickdraw summit ascent crampon abseil",
    ),
    _theme(
        "woodworking",
        "Oakhurst Tenonby Sawyers Planewell",
        "Woodworking, Carpentry & Joinery, Timber Craft",
        "chisel plane lathe dovetail sawdust mortise veneer timber joinery sanding clamp bandsaw",
    ),
    _theme(
        "aquarium",
        "Reefside Finbrook Aquadell Tankmate",
        "Aquariums, Fish Tanks & Reefs, Aquatic Pets",
        "tank coral guppy reef filter algae aquatic heater cichlid shrimp betta substrate",
    ),
    _theme(
        "calligraphy",
        "Inkwright Quillery Scriptorium Nibley",
        "Calligraphy, Pens & Lettering, Fine Writing",
        "nib ink parchment flourish lettering inkwell quill script penmanship copperplate vellum gothic",
    ),
    _theme(
        "photography",
        "Lumenar Shutterby Apertura Focalpoint",
        "Photography, Cameras & Lenses, Photo Studio",
        "camera lens shutter tripod aperture darkroom exposure flash portrait viewfinder telephoto negative",
    ),
    _theme(
        "coffee",
        "Cupwell Roastery Grindhouse Morningside",
        "Coffee, Espresso & Brewing, Home Barista",
        "espresso grinder beans barista crema roast latte portafilter brew cappuccino kettle dripper",
    ),
    _theme(
        "riding",
        "Gallopade Bridleway Stirrupton Paddocks",
        "Horse Riding, Equestrian & Tack, Stable Yard",
        "stirrup bridle equestrian pony dressage paddock hoof reins jodhpurs stable grooming gallop",
    ),
)


@dataclass(frozen=True, slots=True)
class Kind:
    """A step of the chain that shoppers follow; an item takes two of its words."""

    name: str
    words: tuple[str, ...]


KINDS = (
    Kind("starter", ("starter", "primer", "taster")),
    Kind("tool", ("tool", "implement", "instrument")),
    Kind("refill", ("refill", "replacement", "spare")),
    Kind("care", ("cleaner", "conditioner", "restorer")),
    Kind("storage", ("organizer", "caddy", "holder")),
)

HOUSE_BRANDS = ("Everyday", "Basics", "Northgate", "Homestead", "Value Line", "Generic")
GENERIC = _words(
    "durable reliable sturdy lightweight compact practical genuine popular classic modern handy portable "
    "affordable comfortable efficient versatile premium quality trusted improved"
)
SIZES = ("Pack of 2", "Pack of 3", "Large", "Small", "Medium", "Standard Size", "Set of 4", "2018 Edition")

TITLE = "{generic} {a} {b} {kind}"
FEATURES = (
    "Made for {a} and {b}",
    "A {generic} choice wherever {a} matters",
    "Goes well with any {a} or {b}",
    "Satisfaction guaranteed or your money back",
    "Tested by people who know {a}",
    "Easy to use, {generic} and {generic2}",
    "Ships in frustration free packaging",
    "Fits most {a} and {b} needs",
    "{generic} materials throughout",
)
KIND_FEATURES = (
    "The {kind} you reach for every day",
    "A {kind} for beginners and experts alike",
    "No other {kind} is as {generic}",
)
DESCRIPTIONS = (
    "This {generic} {kind} is for everyone who cares about {a}, {b} and {c}.",
    "Whether you think of {a} or of {b}, our {kind} does its job and stays {generic}.",
    "From {a} to {c}: a {generic} {kind} that makes {b} a pleasure.",
    "We have been at home in {a} and {b} for years, and this {kind} shows it.",
)
CLOSINGS = (
    "Please read the instructions before use.",
    "Packaging may vary.",
    "A thoughtful gift for family and friends.",
    "Imported. One year limited warranty.",
    "Thank you for supporting a small business.",
)

SUMMARIES = (
    "Five Stars",
    "Four Stars",
    "Three Stars",
    "Great product",
    "Does the job",
    "Not bad",
    "As described",
    "Love it",
    "Good value",
    "Would buy again",
    "Disappointed",
    "Just okay",
)
REVIEWS = (
    "Arrived on time and works as described.",
    "Bought this as a gift and it was well received.",
    "Good quality for the price, I would recommend it to a friend.",
    "It is fine, nothing special.",
    "I have used it for a month now & have no complaints.",
    "Exactly what I was looking for!\n\nFast shipping, too.",
    'My husband says it is "the best yet".',
    "Smaller than I expected but it does what it should.",
    "Great",
    "Would have given five stars if the box had not been damaged.",
    "Second one I own; the first is still going strong.",
    "Not worth the money in my opinion.",
)
FIRST_NAMES = _words("Alex Sam Chris Pat Robin Jamie Morgan Casey Jo Kim Lee Dana Terry Max Charlie Drew")
LAST_NAMES = _words("Miller Stone Baker Hill Carter Young Price Reed Wood Marsh Field Lane Cook Ward")
