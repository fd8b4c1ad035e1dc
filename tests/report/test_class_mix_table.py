from bloodcell.measures.class_mix import NORMAL_ADULT_BLOOD
from bloodcell.paths import SHIPPED_WEIGHTS
from bloodcell.report.class_mix_table import mix_table
from bloodcell.report.model_card import card_tables
from bloodcell.weights.card import read_card


def test_immature_granulocytes_are_believed_less_in_normal_blood_than_in_equal_shares() -> None:
    card = read_card(SHIPPED_WEIGHTS / "unet_encoder.json")
    place = list(NORMAL_ADULT_BLOOD).index("immature_granulocyte")
    in_blood, in_equal_shares = (
        mix_table(card, shares).rows[place] for shares in (tuple(NORMAL_ADULT_BLOOD.values()), [1] * 8)
    )
    assert in_blood[1] == "0.3 %"
    assert float(in_blood[2].split()[0]) < 80 < 95 < float(in_equal_shares[2].split()[0])


def test_a_class_without_a_share_has_no_figure() -> None:
    row = mix_table(read_card(SHIPPED_WEIGHTS / "unet_encoder.json")).rows[list(NORMAL_ADULT_BLOOD).index("platelet")]
    assert row[1:] == ("0.0 %", "–", "–")


def test_every_card_that_ships_shows_it() -> None:
    for path in sorted(SHIPPED_WEIGHTS.glob("*.json")):
        assert "class-mix" in {table.name for table in card_tables(read_card(path))}
